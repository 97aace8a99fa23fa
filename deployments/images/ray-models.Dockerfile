# Ray with what a Ray Serve application's Python models run on, and the bridges in front of models: heads and workers of
# RayServices.
# Build from the root of the checkout: docker build -f deployments/images/ray-models.Dockerfile -t turnout-ray-models:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/ray-models.txt /locks/ray-models.txt
RUN python -m venv --without-pip /opt/ray
RUN python -m pip --python /opt/ray/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/ray-models.txt

FROM python:3.11-slim-bookworm
# KubeRay's probes call wget.
RUN command -v wget || (apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 65532 --create-home --shell /bin/bash ray
COPY --from=built /opt/ray /opt/ray
# What the bridges import, and no more: another line of any other file builds nothing anew.
COPY turnout/__init__.py /opt/ray/lib/python3.11/site-packages/turnout/
COPY turnout/domain/__init__.py turnout/domain/contract.py turnout/domain/observed.py turnout/domain/package.py turnout/domain/route.py turnout/domain/task_metric.py turnout/domain/workload.py /opt/ray/lib/python3.11/site-packages/turnout/domain/
COPY runtimes/__init__.py /opt/ray/lib/python3.11/site-packages/runtimes/
COPY runtimes/bridges /opt/ray/lib/python3.11/site-packages/runtimes/bridges
ENV PATH=/opt/ray/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/ray PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0
USER 65532:65532
WORKDIR /home/ray
