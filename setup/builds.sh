# GDAL's bindings and Horovod, built against what .venv holds. Sourced by setup.sh.

HOROVOD_VERSION=0.28.1
HOROVOD_HASH=92a43f5a94c43907a56805bad15f19700c62ffc83b7ca483f9e104e229f67ef0

report_fault() { # report_fault COMMAND...: what it says is shown only where it fails (pip and TensorFlow talk much)
  "$@" >.venv/check.log 2>&1 || { cat .venv/check.log >&2 && return 1; }
}

write_requirement() { # write_requirement NAME VERSION [SHA256]
  echo "$1==$2${3:+ --hash=sha256:$3}" >.venv/requirement.txt
}

choose_build_folder() { # sets BUILD, a path of this folder without blanks, which compilers' options cannot hold
  if [[ $PWD != *[[:space:]]* ]]; then
    BUILD=$PWD
  else
    NO_BLANK=${NO_BLANK:-$(mktemp -d)} # removed by setup.sh
    ln -sfn "$PWD" "$NO_BLANK/checkout"
    BUILD=$NO_BLANK/checkout
  fi
}

build_once() { # build_once NAME WORDS: compile_NAME, unless check_NAME finds it whole
  if ! was_interrupted "$1" && "check_$1" 2>/dev/null; then return; fi
  begin "$1" "$2"
  choose_build_folder
  "compile_$1"
  report_fault "check_$1"
  finish
}

build_from_source() { # build_from_source NAME VERSION [SHA256]: a wheel, then installed, so that no half build stays
  write_requirement "$@"
  rm -rf .venv/wheels
  report_fault "$BUILD/$PY" -m pip wheel --use-pep517 --disable-pip-version-check --no-deps --no-build-isolation --no-cache-dir \
    --no-binary=:all: ${3:+--require-hashes} ${FROM[@]+"${FROM[@]}"} -w .venv/wheels -r .venv/requirement.txt
  run_uv --no-deps --reinstall .venv/wheels/*.whl
  rm -rf .venv/wheels
}

download_source() { # download_source FOLDER NAME VERSION [SHA256]
  local folder=$1
  shift
  write_requirement "$@"
  $PY -m pip download -q --disable-pip-version-check --no-deps --no-build-isolation --no-binary=:all: ${3:+--require-hashes} \
    -d "$folder" -r .venv/requirement.txt
}

# ---- GDAL's bindings, of the system's version, with numpy (an isolated build silently comes without gdal_array) ----

find_gdal_hash() { sed -n "s/^$(read_gdal) //p" setup/gdal_sources.txt; }

check_gdal() { $PY -c "from osgeo import gdal, gdal_array; assert gdal.__version__ == '$(read_gdal)'"; }

compile_gdal() {
  local include
  include=$("$BUILD/$PY" -c 'import numpy; print(numpy.get_include())') # before any numpy 1 headers of the system's Python
  [ -n "$(find_gdal_hash)" ] || echo "GDAL $(read_gdal) is not in setup/gdal_sources.txt: its source is installed without a pinned hash"
  CFLAGS="-I$include ${CFLAGS:-}" CXXFLAGS="-I$include ${CXXFLAGS:-}" build_from_source GDAL "$(read_gdal)" "$(find_gdal_hash)"
}

build_gdal() { build_once gdal "building GDAL $(read_gdal)'s Python bindings (half a minute)"; }

# ---- Horovod with MPI and Gloo, for GPUs also with NCCL ----
# Its last release (2023) meets TensorFlow 2.21 through two include folders: one answers a header that XLA moved and a
# type it renamed, the others are headers that TensorFlow's wheel ships outside its include path.
# GCC 13 wants headers that it forgot to include.

check_horovod() {
  local parts="hvd.mpi_built() and hvd.gloo_built()"
  [ "$EXTRA" != gpu ] || parts="$parts and hvd.nccl_built()"
  $PY -c "import horovod.tensorflow as hvd; assert $parts"
}

compile_horovod() {
  local packages external
  packages=$("$BUILD/$PY" -c "import sysconfig; print(sysconfig.get_path('platlib'))")
  external=$packages/tensorflow/include/external
  [ "$EXTRA" != gpu ] || export_nccl "$packages"
  PATH=$BUILD/.venv/bin:$PATH \
    CPLUS_INCLUDE_PATH=$BUILD/setup/include:$external/highwayhash:$external/farmhash_archive/src${CPLUS_INCLUDE_PATH:+:$CPLUS_INCLUDE_PATH} \
    CXXFLAGS="-include string -include stdexcept -include cstdint ${CXXFLAGS:-}" \
    HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_MPI=1 HOROVOD_WITH_GLOO=1 \
    build_from_source horovod "$HOROVOD_VERSION" "$HOROVOD_HASH"
}

build_horovod() { build_once horovod "building Horovod $HOROVOD_VERSION (about three minutes)"; }
