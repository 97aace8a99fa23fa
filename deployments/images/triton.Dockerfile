# Triton on a CPU, for clusters that do not get NVIDIA's own image: the tritonserver of the wheel nvidia-pytriton, its
# Python backend, and ONNX Runtime behind that. On GPUs name NVIDIA's image in the settings instead.
# Build from the root of the checkout: docker build -f deployments/images/triton.Dockerfile -t turnout-triton:local .
FROM python:3.11-slim-bookworm AS built
COPY locks/triton.txt /locks/triton.txt
RUN python -m venv --without-pip /opt/triton
RUN python -m pip --python /opt/triton/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /locks/triton.txt
# Triton takes no backend's library that leads out of the directory, so it is copied.
COPY turnout/lab/backends/onnxruntime /opt/tritonserver/backends/onnxruntime
RUN cd /opt/triton/lib/python3.11/site-packages/pytriton/tritonserver && mkdir /opt/tritonserver/backends/python && cp backends/python/libtriton_python.so backends/python/*.py python_backend_stubs/3.11/* /opt/tritonserver/backends/python/ && cp backends/python/*.py python_backend_stubs/3.11/* /opt/tritonserver/backends/onnxruntime/

FROM python:3.11-slim-bookworm
# The Python backend's stub loads it; Debian's own Python comes without.
RUN ldconfig -p | grep -q libpython3.11.so.1.0 || (apt-get update && apt-get install --yes --no-install-recommends libpython3.11 && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin triton
COPY --from=built /opt/triton /opt/triton
COPY --from=built /opt/tritonserver /opt/tritonserver
RUN ln -s /opt/triton/lib/python3.11/site-packages/pytriton/tritonserver/bin/tritonserver /usr/local/bin/tritonserver
ENV PATH=/opt/triton/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/triton/lib/python3.11/site-packages \
    LD_LIBRARY_PATH=/opt/triton/lib/python3.11/site-packages/nvidia_pytriton.libs PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
USER 65532:65532
EXPOSE 8000 8001 8002
CMD ["tritonserver", "--model-repository=/package/repository"]
