# What Horovod with NCCL is built with: nvcc of a CUDA toolkit that is here, else of PyPI's packages. Sourced by setup.sh.

# Kernels for A100 (80) and H100 (90, which newer GPUs translate at their first start); V100 (70) needs nvcc 12
CUDA_ARCHITECTURES=${HOROVOD_BUILD_CUDA_CC_LIST:-80,90}

find_toolkit() { # print the folder of a whole CUDA toolkit: that of a module (CUDA_HOME), or of nvcc on PATH
  local folder nvcc
  nvcc=$(command -v nvcc || true)
  for folder in "${CUDA_HOME:-}" "${nvcc:+$(dirname "$(dirname "$(readlink -f "$nvcc")")")}"; do
    if [ -x "$folder/bin/nvcc" ] && [ -e "$folder/include/cuda_runtime.h" ] && [ -e "$folder/include/cuda_fp16.h" ]; then
      echo "$folder"
      return
    fi
  done
}

export_nvcc() { .venv/bin/uv export -q --frozen --only-group nvcc --no-emit-project --no-header -o .venv/nvcc.txt >/dev/null; }

install_nvcc() { # NVIDIA's packages of nvcc, in a folder of their own: TensorFlow's are of another CUDA
  rm -rf .venv/cuda
  export_nvcc
  run_uv --no-deps --require-hashes --target .venv/cuda ${FROM[@]+"${FROM[@]}"} -r .venv/nvcc.txt
  ln -s libcudart.so.13 .venv/cuda/nvidia/cu13/lib/libcudart.so # the names that a linker looks for
  ln -s lib .venv/cuda/nvidia/cu13/lib64
}

choose_cuda() { # sets CUDA, a folder with bin/nvcc
  CUDA=$(find_toolkit)
  if [ -n "$CUDA" ]; then return; fi
  install_nvcc
  CUDA=$BUILD/.venv/cuda/nvidia/cu13
}

export_nccl() { # export_nccl SITE_PACKAGES: the variables that Horovod's build reads; NCCL is the one of TensorFlow's packages
  choose_cuda
  local nccl=$1/nvidia/nccl
  mkdir -p .venv/nccl/lib
  ln -sfn "$nccl/include" .venv/nccl/include
  ln -sfn "$nccl/lib/libnccl.so.2" .venv/nccl/lib/libnccl.so
  export HOROVOD_GPU=CUDA HOROVOD_GPU_OPERATIONS=NCCL HOROVOD_CUDA_HOME=$CUDA HOROVOD_NCCL_LINK=SHARED
  export HOROVOD_NCCL_HOME=$BUILD/.venv/nccl HOROVOD_BUILD_CUDA_CC_LIST=$CUDA_ARCHITECTURES
  export LDFLAGS="-Wl,-rpath,\$ORIGIN/../../nvidia/nccl/lib ${LDFLAGS:-}" # from horovod/tensorflow/mpi_lib*.so
  PATH=$CUDA/bin:$PATH
  nvcc --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p' >.venv/cuda-of-horovod # what `doctor` compares the driver with
}
