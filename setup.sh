#!/usr/bin/env bash
# Sets up everything the study needs, in .venv. The second call does nothing; an interrupted one is called again.
#   ./setup.sh              for `make study`
#   ./setup.sh test         also Chromium, for `make test`
#   ./setup.sh cluster      also Slurm, for `make test-cluster`
#   ./setup.sh gpu          for NVIDIA GPUs: TensorFlow with CUDA, Horovod with NCCL (slurm/gpu.md)
#   ./setup.sh wheelhouse   also a folder wheelhouse/: carried to a machine of the same kind, it sets up without internet
# What it needs from the system is found by command and header (setup/needs.sh), whoever installed it.
set -euo pipefail

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}
say() { printf '\n== %s\n' "$*"; }

ELSEWHERE="conda (environment.yml) or a container (slurm/container)"
if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
  fail "the study runs on Linux with x86_64, this is $(uname -s) with $(uname -m): use $ELSEWHERE there"
fi
cd "$(dirname "$0")"
WHAT=${1:-study}
PY=.venv/bin/python
PATH=${PATH//"$PWD/.venv/bin:"/} # an activated .venv is no base for itself
unset PYTHONPATH PYTHONHOME      # modules put packages of another Python there
export CMAKE_POLICY_VERSION_MINIMUM=3.5 # Horovod's libraries are described for an older CMake than 4
. setup/needs.sh
. setup/packages.sh
. setup/nccl.sh
. setup/builds.sh

NEEDS=(python compiler make git ssh mpi gdal cmake)
WISHES=() # what is only named where it lacks
case $WHAT in
study | wheelhouse) ;;
gpu) EXTRA=gpu ;;
test) WISHES=(chromium) ;;
cluster) WISHES=(chromium) NEEDS+=(slurm munge) ;;
*) fail "$WHAT is unknown: study, test, cluster, gpu or wheelhouse" ;;
esac

# ---- the second call ----
STAMP=.venv/setup-done
WANTED=$(find setup.sh setup uv.lock -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum)$EXTRA
is_done() {
  [ "$WHAT" != wheelhouse ] && [ "$(cat $STAMP 2>/dev/null)" = "$WANTED" ] || return 1
  [ "$WHAT" != gpu ] || ! has_another_toolkit || return 1
  [ "$WHAT" != cluster ] || [ -z "$(list_lacking slurm munge)" ]
}
if is_done; then
  provide_wishes
  exit 0
fi

# ---- one set-up at a time: what an interrupted one left running holds the lock, too ----
mkdir -p .venv
exec 9>>.venv/setup.lock
if ! flock -n 9; then
  say "another set-up works in this folder: waiting for it"
  flock 9 || say "this file system has no locks: not waiting"
fi
if is_done; then
  provide_wishes
  exit 0
fi
rm -f $STAMP

# ---- the steps: each leaves a file in .venv/unfinished while it is at work, so that the next call repeats it whole ----
STEP=
was_interrupted() { [ -e ".venv/unfinished/$1" ]; }
begin() { # begin STEP WORDS
  STEP=$1
  mkdir -p .venv/unfinished
  touch ".venv/unfinished/$STEP"
  say "$2"
}
finish() {
  rm -f ".venv/unfinished/$STEP"
  STEP=
}
explain_stop() {
  [ -z "$STEP" ] || echo "setup.sh: stopped at the step '$STEP'; called again, it goes on" >&2
  [ -z "${NO_BLANK:-}" ] || rm -rf "$NO_BLANK"
}
trap explain_stop EXIT

provide_needs "${NEEDS[@]}"
provide_wishes
PYTHON=$(find_python)
CXX=$(find_compiler)
CC=${CXX/g++/gcc}
export CC CXX

# git: notebooks are committed without outputs (.gitattributes)
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
  git config filter.nbstripout.clean 'if [ -x .venv/bin/python ]; then .venv/bin/python tests/clean_notebook.py; else cat; fi'
  git config filter.nbstripout.smudge cat
fi

choose_source
make_venv
install_packages
build_gdal
if [ $EXTRA = gpu ]; then build_horovod_with_nccl; else build_horovod; fi
mkdir -p .venv/etc/jupyter
cp setup/jupyter_server_config.py .venv/etc/jupyter/
$PY -m pip check --disable-pip-version-check
[ "$WHAT" != wheelhouse ] || fill_wheelhouse
rm -rf .venv/cache
echo "$WANTED" >$STAMP
say "ready; for the commands: source .venv/bin/activate"
