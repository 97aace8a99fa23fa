# Prefect's server and worker, and every flow run: the checkout, its core environment, the environment that legacy
# model files are opened in (a pickle is code, so never in the flow's own process), and what proves packages: Triton,
# and what Python models for Ray Serve run in. Whoever has none of those leaves the last out, and 1 GB:
# --build-arg ENVIRONMENTS="convert triton".
# Build from the root of the checkout: docker build -f deployments/images/worker.Dockerfile -t turnout-worker:local .
FROM python:3.11-slim-bookworm AS built
ARG ENVIRONMENTS="convert triton ray-models"
COPY locks /opt/turnout/project/locks
RUN python -m venv /tmp/installer
RUN /tmp/installer/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /opt/turnout/project/locks/uv.txt
# Compiled here: where it runs nothing can be written, and each flow run would compile all that it loads anew.
# Whom this machine trusts (a proxy of its own, perhaps), uv trusts, as pip does.
ENV UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_SYSTEM_CERTS=1 VIRTUAL_ENV=/opt/turnout/core
RUN /tmp/installer/bin/uv venv --python "$(command -v python)" /opt/turnout/core
RUN /tmp/installer/bin/uv pip sync --require-hashes /opt/turnout/project/locks/worker.txt
# xds-protos carries older copies of files of these two packages: they are written once more, last.
RUN /tmp/installer/bin/uv pip install --require-hashes --no-deps -r /opt/turnout/project/locks/worker.txt --reinstall-package opentelemetry-proto --reinstall-package googleapis-common-protos
# What installs environments, and no more of the sources: another line of any other file installs nothing anew.
COPY turnout/__init__.py /opt/turnout/project/turnout/
COPY turnout/domain/__init__.py turnout/domain/errors.py /opt/turnout/project/turnout/domain/
COPY turnout/fabric/__init__.py turnout/fabric/environments.py turnout/fabric/exclusive.py /opt/turnout/project/turnout/fabric/
COPY pyproject.toml README.md /opt/turnout/project/
RUN /tmp/installer/bin/uv pip install --no-deps --build-constraints /opt/turnout/project/locks/build.txt -e /opt/turnout/project
ENV TURNOUT_ROOT=/opt/turnout/project TURNOUT_UV=/tmp/installer/bin/uv XDG_CACHE_HOME=/opt/turnout/cache
RUN cd /opt/turnout/project && for name in $ENVIRONMENTS; do /opt/turnout/core/bin/python -c "import sys; from turnout.fabric import environments; environments.ensure(sys.argv[1], print)" "$name"; done

FROM python:3.11-slim-bookworm
# The stub of Triton's Python backend loads it; Debian's own Python comes without.
RUN ldconfig -p | grep -q libpython3.11.so.1.0 || (apt-get update && apt-get install --yes --no-install-recommends libpython3.11 && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin turnout
COPY --from=built /opt/turnout /opt/turnout
COPY turnout /opt/turnout/project/turnout
COPY flows /opt/turnout/project/flows
COPY tasks /opt/turnout/project/tasks
COPY runtimes /opt/turnout/project/runtimes
COPY deployments/work_pools /opt/turnout/project/deployments/work_pools
COPY prefect.yaml /opt/turnout/project/
RUN python -m compileall -q /opt/turnout/project
ENV PATH=/opt/turnout/core/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    TURNOUT_ROOT=/opt/turnout/project TURNOUT_SETTINGS=/etc/turnout/turnout.yaml XDG_CACHE_HOME=/opt/turnout/cache \
    DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true RAY_USAGE_STATS_ENABLED=0
WORKDIR /opt/turnout/project
USER 65532:65532
CMD ["turnout", "--help"]
