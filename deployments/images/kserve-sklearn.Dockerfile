# A model server of the KServe SDK for scikit-learn's models: what a legacy InferenceService runs.
# Build from the root of the checkout: docker build -f deployments/images/kserve-sklearn.Dockerfile -t kserve-sklearn:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/kserve.txt /locks/kserve.txt
RUN python -m venv --without-pip /opt/server
RUN python -m pip --python /opt/server/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/kserve.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin server
COPY --from=built /opt/server /opt/server
COPY turnout/lab/legacy/kserve_server.py /opt/server/kserve_server.py
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/server/bin/python", "/opt/server/kserve_server.py"]
CMD ["--http_port", "8080", "--enable_grpc", "false", "--model_dir", "/mnt/models"]
