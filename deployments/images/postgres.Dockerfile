# Debian's Postgres with the ways of Docker's official image, which the manifests name: its user, its variables, its
# folder of scripts for a new volume. For clusters that no registry gives the official one; others do not need it.
# Build from the root of the checkout: docker build -f deployments/images/postgres.Dockerfile -t postgres:local .
FROM debian:bookworm-slim
RUN groupadd --system --gid 999 postgres && useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql postgres
RUN mkdir --parents /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/*
COPY deployments/images/postgres/start.sh /usr/local/bin/start-postgres
RUN chmod 755 /usr/local/bin/start-postgres
ENV PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
STOPSIGNAL SIGINT
USER 999:999
EXPOSE 5432
ENTRYPOINT ["start-postgres"]
