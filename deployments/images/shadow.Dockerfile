# The shadow service: its interpreter, what it imports, and nothing that can build or install anything.
# Build from the root of the checkout: docker build -f deployments/images/shadow.Dockerfile -t turnout-shadow:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/shadow.txt /locks/shadow.txt
RUN python -m venv --without-pip /opt/turnout
RUN python -m pip --python /opt/turnout/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/shadow.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin turnout
COPY --from=built /opt/turnout /opt/turnout
COPY turnout/__init__.py turnout/settings.py turnout/settings_file.py /opt/turnout/lib/python3.11/site-packages/turnout/
COPY turnout/domain /opt/turnout/lib/python3.11/site-packages/turnout/domain
COPY turnout/fabric /opt/turnout/lib/python3.11/site-packages/turnout/fabric
COPY turnout/services /opt/turnout/lib/python3.11/site-packages/turnout/services
COPY turnout/wiring /opt/turnout/lib/python3.11/site-packages/turnout/wiring
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TURNOUT_SETTINGS=/etc/turnout/turnout.yaml
USER 65532:65532
EXPOSE 9000
ENTRYPOINT ["/opt/turnout/bin/python", "-m", "turnout.services.shadow"]
CMD ["--host", "0.0.0.0", "--port", "9000"]
