# The sentinel: its interpreter, what it imports, and nothing that can build or install anything.
# Build from the root of the checkout: docker build -f deployments/images/sentinel.Dockerfile -t turnout-sentinel:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/sentinel.txt /locks/sentinel.txt
RUN python -m venv --without-pip /opt/turnout
RUN python -m pip --python /opt/turnout/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/sentinel.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin turnout
COPY --from=built /opt/turnout /opt/turnout
COPY turnout/__init__.py turnout/settings.py turnout/settings_file.py /opt/turnout/lib/python3.11/site-packages/turnout/
COPY turnout/domain /opt/turnout/lib/python3.11/site-packages/turnout/domain
COPY turnout/fabric /opt/turnout/lib/python3.11/site-packages/turnout/fabric
COPY turnout/services /opt/turnout/lib/python3.11/site-packages/turnout/services
COPY turnout/wiring /opt/turnout/lib/python3.11/site-packages/turnout/wiring
# Nothing is written outside of the mounted state; where the settings lie: see deployments/kubernetes/base/sentinel.yaml.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TURNOUT_SETTINGS=/etc/turnout/turnout.yaml
USER 65532:65532
EXPOSE 8080 4317
ENTRYPOINT ["/opt/turnout/bin/python", "-m", "turnout.services.sentinel"]
CMD ["--host", "0.0.0.0", "--port", "8080"]
