# Run once, by Postgres itself, when its volume is new.
set -eu
for name in prefect mlflow; do
  psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --command "CREATE DATABASE $name"
done
