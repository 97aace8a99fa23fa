# MLflow's tracking server, with what speaks to Postgres and to the buckets of three clouds.
# Build from the root of the checkout: docker build -f deployments/images/mlflow.Dockerfile -t turnout-mlflow:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/mlflow.txt /locks/mlflow.txt
RUN python -m venv --without-pip /opt/mlflow
RUN python -m pip --python /opt/mlflow/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/mlflow.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin turnout
COPY --from=built /opt/mlflow /opt/mlflow
ENV PATH=/opt/mlflow/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    DO_NOT_TRACK=1 MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /tmp
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["mlflow", "server"]
