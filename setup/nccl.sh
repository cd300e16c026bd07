# Horovod with NCCL, built by nvcc of a CUDA toolkit that is here, else of PyPI's packages; where that fails, set-up goes on
# without it. Sourced by setup.sh.

TRIED=.venv/cuda-tried # the toolkit of the last build, failed or not; empty: PyPI's packages
BUILD_LOG=.venv/horovod.log

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
  nvcc --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p' >.venv/cuda-of-this-build
}

has_another_toolkit() { # whether one is here that Horovod was not yet built with
  local toolkit
  toolkit=$(find_toolkit)
  [ -n "$toolkit" ] && [ -e $TRIED ] && [ "$(cat $TRIED)" != "$toolkit" ]
}

build_horovod_with_nccl() {
  STEP=horovod
  if has_another_toolkit; then touch .venv/unfinished/horovod; fi # so that it is built anew
  choose_build_folder
  trap 'exit 130' INT # pip ends as if it had failed: without this, Ctrl-C would pass for a failed build
  local status=0
  set +e # not `if ! (...)`, in which no error stops anything
  (
    set -e
    build_horovod 2>$BUILD_LOG
    [ ! -e .venv/cuda-of-this-build ] || mv .venv/cuda-of-this-build .venv/cuda-of-horovod # `doctor` compares the driver with it
  )
  status=$?
  set -e
  trap - INT
  find_toolkit >$TRIED
  rm -rf .venv/cuda .venv/nccl
  if [ $status != 0 ]; then go_on_without_nccl; fi
  finish
}

go_on_without_nccl() {
  local instead="workers exchange gradients through mpi4py, which is correct but slow"
  if check_horovod 2>/dev/null; then
    instead="the one that was built before stays"
  else
    .venv/bin/uv pip uninstall -q --python $PY horovod 2>/dev/null # one without NCCL, or half of one
  fi
  echo "setup.sh: warning: Horovod with NCCL cannot be built here ($BUILD_LOG says why): $instead. To try again: load another CUDA module with nvcc, then ./setup.sh gpu" >&2
}
