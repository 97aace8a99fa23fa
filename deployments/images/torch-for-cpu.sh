#!/bin/sh
# Makes the torch of an environment one for CPUs alone. The wheel that package indexes have is linked with CUDA's
# libraries, 3 GB of them. But for the small runtime (nvidia-cuda-runtime), which is called when torch is loaded, they
# need not be installed: a link stands in for each, to a library of torch's own that has nothing in it. What they lack is
# looked up when it is called, which on a CPU is never. Symbols for debuggers go, too. Needs binutils.
set -eu
cd "$1"/lib/python3.11/site-packages

echo 'import os, sys; sys.setdlopenflags(os.RTLD_LAZY)' > torch-for-cpu.pth
rm -rf nvidia/*/include torch/include torch/lib/libtorch_cuda_linalg.so
asked_for=$(readelf --dynamic torch/lib/*.so | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
for library in $(echo "$asked_for" | grep -E '^lib(cu|nccl|nv)' | grep -v '^libcuda\.so'); do # that one is the driver
    [ -e nvidia/*/lib/"$library" ] || ln -s libtorch_global_deps.so torch/lib/"$library"
done
find torch/lib vllm -name '*.so' -type f -exec strip --strip-unneeded {} +
