# Ray with what a Ray Serve application's Python models run on: heads and workers of RayServices.
# Build from the root of the checkout: docker build -f deployments/images/ray-models.Dockerfile -t ray-models:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/ray-models.txt /locks/ray-models.txt
RUN python -m venv --without-pip /opt/ray
RUN python -m pip --python /opt/ray/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/ray-models.txt

FROM python:3.11-slim-bookworm
# KubeRay's probes call wget.
RUN command -v wget || (apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 65532 --create-home --shell /bin/bash ray
COPY --from=built /opt/ray /opt/ray
ENV PATH=/opt/ray/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/ray PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0
USER 65532:65532
WORKDIR /home/ray
