#!/bin/bash
# Makes a new volume a database of $POSTGRES_USER with $POSTGRES_PASSWORD, runs the scripts that are mounted for it,
# each once, over a socket that nobody else reaches; then serves.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir --parents "$PGDATA"
  chmod 700 "$PGDATA"
  initdb --username="$POSTGRES_USER" --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses=''" --wait start
  for script in /docker-entrypoint-initdb.d/*.sh; do
    bash "$script"
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec postgres -D "$PGDATA" -c listen_addresses='*'
