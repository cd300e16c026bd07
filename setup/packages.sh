# .venv with the locked Python packages, from PyPI or from the folder wheelhouse/. Sourced by setup.sh.

UV_VERSION=0.13.9
# extra of pyproject.toml; a .venv that was set up for GPUs stays so
EXTRA=$(cat .venv/extra 2>/dev/null || echo train)

describe_kind() { # what a wheelhouse fits: this Python, this GDAL, these locked versions
  echo "$("$PYTHON" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])'), GDAL $(read_gdal), uv.lock $(sha256sum <uv.lock | cut -c1-12), extra $EXTRA"
}

choose_source() { # set where packages come from, and a cache that can be written
  FROM=()
  if [ -d wheelhouse ] && [ "$WHAT" != wheelhouse ]; then
    [ "$(cat wheelhouse/made-for)" = "$(describe_kind)" ] \
      || fail "wheelhouse/ was made for $(cat wheelhouse/made-for), this is $(describe_kind): make it on a machine like this, or move it away to use the internet"
    FROM=(--no-index --find-links "$PWD/wheelhouse")
  fi
  local cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/uv}
  if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
    export UV_CACHE_DIR=$PWD/.venv/cache/uv PIP_CACHE_DIR=$PWD/.venv/cache/pip
  fi
}

run_uv() { # run_uv ARGUMENT...: installs into .venv
  .venv/bin/uv pip install -q --python $PY "$@"
}

make_venv() {
  if was_interrupted venv; then # only set-up's own files are in it
    find .venv -mindepth 1 -maxdepth 1 ! -name setup.lock ! -name unfinished -exec rm -rf {} +
  fi
  if [ -e .venv/made-in ] && [ "$(cat .venv/made-in)" != "$(pwd -P)" ]; then
    fail ".venv was made in $(cat .venv/made-in), and its commands lead there: mv .venv .venv.old, then call setup.sh again"
  fi
  if [ ! -x $PY ]; then
    begin venv "creating .venv"
    "$PYTHON" -m venv .venv
    pwd -P >.venv/made-in
    finish
  fi
  $PY -m pip --version >/dev/null 2>&1 \
    || fail ".venv has no pip, or was made for another Python: mv .venv .venv.old, then call setup.sh again"
}

install_packages() { # other packages that are in .venv stay
  local again=()
  if was_interrupted packages; then again=(--reinstall); fi # a package may be half copied
  begin packages "installing the locked Python packages"
  $PY -m pip install -q --disable-pip-version-check ${again[@]+--ignore-installed} ${FROM[@]+"${FROM[@]}"} "uv==$UV_VERSION"
  if [ "$EXTRA" = gpu ] && $PY -m pip show -q tensorflow-cpu 2>/dev/null; then # both are the module `tensorflow`
    .venv/bin/uv pip uninstall -q --python $PY tensorflow-cpu horovod
  fi
  echo "$EXTRA" >.venv/extra
  .venv/bin/uv export -q --frozen --extra $EXTRA --no-emit-project --no-header -o .venv/locked.txt >/dev/null
  run_uv --no-deps --require-hashes ${again[@]+"${again[@]}"} ${FROM[@]+"${FROM[@]}"} -r .venv/locked.txt
  run_uv --no-deps --no-build-isolation -e .
  finish
}

fill_wheelhouse() { # everything that set-up downloads, for a machine of the same kind
  local part=wheelhouse.partial
  begin wheelhouse "downloading everything into wheelhouse/"
  download() { $PY -m pip download -q --disable-pip-version-check --no-deps -d $part "$@"; }
  download --require-hashes -r .venv/locked.txt
  if [ "$EXTRA" = gpu ]; then
    export_nvcc
    download --require-hashes -r .venv/nvcc.txt
  fi
  download "uv==$UV_VERSION"
  download_source "$part" GDAL "$(read_gdal)" "$(find_gdal_hash)"
  download_source "$part" horovod "$HOROVOD_VERSION" "$HOROVOD_HASH"
  describe_kind >$part/made-for
  [ ! -e wheelhouse/made-for ] || mv wheelhouse "wheelhouse.before-$(date +%s)"
  mv $part wheelhouse
  finish
}
