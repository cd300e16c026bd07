#!/usr/bin/env bash
# Sets up everything the study needs, in .venv; the second call does nothing.
#   ./setup.sh            for `make study`
#   ./setup.sh test       also Chromium, for `make test`
#   ./setup.sh cluster    also Slurm, for `make test-cluster`
set -euo pipefail
cd "$(dirname "$0")"
WHAT=${1:-study}
PY=.venv/bin/python
say() { printf '\n== %s\n' "$*"; }

# ---- 1. system packages (Debian 12 names) ----
# python3-*: the interpreter's headers and venv; openmpi: workers; gdal: reading GeoTIFF and JPEG 2000; cmake, g++: Horovod
PACKAGES=(python3-venv python3-dev libopenmpi-dev openmpi-bin openssh-client libgdal-dev cmake g++ make pkg-config)
[ "$WHAT" = study ] || PACKAGES+=(chromium)
[ "$WHAT" != cluster ] || PACKAGES+=(slurm-wlm munge)
missing=()
for package in "${PACKAGES[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup.sh: missing system packages: ${missing[*]}" >&2
    echo "Ask the administrator for them, or use conda, which needs no root: conda env create -f environment.yml" >&2
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# ---- git: notebooks are committed without outputs (.gitattributes) ----
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ]; then
  git config filter.nbstripout.clean 'if [ -x .venv/bin/python ]; then .venv/bin/python tests/clean_notebook.py; else cat; fi'
  git config filter.nbstripout.smudge cat
fi

# ---- 2. the locked Python stack ----
STAMP=.venv/setup-done
WANTED=$(cat setup.sh uv.lock | sha256sum)
if [ "$(cat $STAMP 2>/dev/null)" = "$WANTED" ]; then exit 0; fi
[ -x $PY ] || { say "creating .venv"; /usr/bin/python3 -m venv .venv; }
$PY -m pip install -q --disable-pip-version-check uv==0.13.9
say "installing the locked Python stack"
.venv/bin/uv sync -q --frozen --inexact --extra train # --inexact: keeps what the next two steps built

from_source() { # from_source NAME==VERSION SHA256: built against what .venv holds (no isolation), never cached
  echo "$1${2:+ --hash=sha256:$2}" >.venv/requirement.txt
  $PY -m pip install -q --disable-pip-version-check --force-reinstall --no-deps --no-build-isolation --no-cache-dir --no-binary=:all: \
    ${2:+--require-hashes} -r .venv/requirement.txt
}

# ---- 3. GDAL's bindings, of the system's version, with numpy (an isolated build silently comes without gdal_array) ----
GDAL=$(gdal-config --version)
if ! $PY -c "from osgeo import gdal, gdal_array; assert gdal.__version__.startswith('$GDAL')" 2>/dev/null; then
  say "building GDAL $GDAL's Python bindings (half a minute)"
  CFLAGS="-I$($PY -c 'import numpy; print(numpy.get_include())')" # before any numpy 1 headers of the system's Python
  CXXFLAGS=$CFLAGS
  export CFLAGS CXXFLAGS
  case $GDAL in
    3.6.2) from_source "GDAL==$GDAL" a167cde1813707d91a938dad1a22f280f5ad28c45980d42e948fb8c59f890f5a ;;
    *) echo "GDAL $GDAL is not Debian 12's 3.6.2: its source is installed without a pinned hash"; from_source "GDAL==$GDAL" ;;
  esac
  unset CFLAGS CXXFLAGS
  $PY -c "from osgeo import gdal, gdal_array"
fi

# ---- 4. Horovod with MPI and Gloo ----
# Its last release (2023) meets TensorFlow 2.21 through two include folders: one answers a header that XLA moved and a
# type it renamed, the others are headers that TensorFlow's wheel ships outside its include path.
if ! $PY -c "import horovod.tensorflow as hvd; assert hvd.mpi_built() and hvd.gloo_built()" 2>/dev/null; then
  say "building Horovod 0.28.1 (about three minutes)"
  shim=.venv/include/horovod-xla
  mkdir -p $shim/tensorflow/compiler/xla/client
  cat >$shim/tensorflow/compiler/xla/client/xla_builder.h <<'HEADER'
#pragma once
#include "absl/status/statusor.h"
#include "xla/hlo/builder/xla_builder.h"
namespace xla {
template <typename T>
using StatusOr = absl::StatusOr<T>;
}
HEADER
  external=$($PY -c "import sysconfig; print(sysconfig.get_path('platlib'))")/tensorflow/include/external
  export CPLUS_INCLUDE_PATH=$PWD/$shim:$external/highwayhash:$external/farmhash_archive/src
  PATH=$PWD/.venv/bin:$PATH HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_MPI=1 \
    HOROVOD_WITH_GLOO=1 from_source horovod==0.28.1 92a43f5a94c43907a56805bad15f19700c62ffc83b7ca483f9e104e229f67ef0
  $PY -c "import horovod.tensorflow as hvd; assert hvd.mpi_built() and hvd.gloo_built()"
fi
# ---- 5. JupyterLab: a notebook that was only run is no change (tests/clean_notebook.py) ----
mkdir -p .venv/etc/jupyter
cat >.venv/etc/jupyter/jupyter_server_config.py <<'CONFIG'
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.prefix).parent))
try:
    from tests.clean_notebook import refresh_after_save

    c.FileContentsManager.post_save_hook = refresh_after_save
except ImportError:  # installed without the group dev
    pass
CONFIG
$PY -m pip check --disable-pip-version-check
echo "$WANTED" >$STAMP
say "ready: .venv"
