#!/usr/bin/env bash
# The README's commands on bare machines: Debian 12 and 13, made with mmdebstrap, in a chroot. `make test-fresh` calls it.
#   tests/fresh/run.sh [FOLDER [RELEASE...]]      as root; an hour for each release on 2 cores, 8 GB in FOLDER
# It clones the last commit. Processes and mounts of a machine end with it (it has namespaces of its own); the machine is
# removed where all commands passed, and its logs stay. This machine's proxies, certificates and mirrors are handed on.
set -euo pipefail
FOLDER=$(realpath -m "${1:-scratch/fresh}")
RELEASES=("${@:2}")
[ $# -gt 1 ] || RELEASES=(bookworm trixie)
CLONE=$(cd "$(dirname "$0")/../.." && pwd)
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
COMMANDS=("make setup" "make study" "make setup" "make test")

fail() {
  echo "run.sh: $*" >&2
  exit 1
}
[ -e $CERTIFICATES ] || fail "$CERTIFICATES is missing: apt-get install ca-certificates"
[ "$(id -u)" = 0 ] || fail "only root can make a machine and enter it: call it as root"
command -v mmdebstrap >/dev/null || fail "mmdebstrap was not found: apt-get install mmdebstrap"

make_machine() { # make_machine RELEASE ROOT: with what the README asks for before its commands, no more
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,make "$1" "$2" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
    && cp -L /etc/resolv.conf "$2/etc/resolv.conf" \
    && cp -L $CERTIFICATES "$2$CERTIFICATES" \
    && git clone -q "$CLONE" "$2/srv/bigearth"
}

list_handed() { # the settings of this machine's way to the internet
  env | grep -E '^(https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|PIP_INDEX_URL|UV_DEFAULT_INDEX)=' || true
}

run_in() { # run_in ROOT COMMAND: with the environment of a login
  local handed
  readarray -t handed < <(list_handed)
  unshare --mount --pid --fork --kill-child -- bash -c '
    root=$1
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/dev/shm"
    exec chroot "$root" env -i "${@:2}"' _ "$1" HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 SSL_CERT_FILE=$CERTIFICATES PIP_CERT=$CERTIFICATES ${handed[@]+"${handed[@]}"} \
    bash -c "cd /srv/bigearth && $2"
}

try_release() { # try_release RELEASE: prints the time of each command
  local machine=$FOLDER/$1-$(date +%Y%m%d-%H%M%S) number=0 begun log command
  mkdir -p "$machine"
  make_machine "$1" "$machine/root" || return 1
  for command in "${COMMANDS[@]}"; do
    number=$((number + 1)) begun=$SECONDS log=$machine/$number-${command/ /-}.log
    if ! run_in "$machine/root" "$command" >"$log" 2>&1 </dev/null; then
      tail -n 40 "$log"
      echo "$1: $command FAILED after $((SECONDS - begun)) s; $machine is left"
      return 1
    fi
    echo "$1: $command passed in $((SECONDS - begun)) s"
  done
  test -s "$machine/root/srv/bigearth/scratch/results/mini/index.html" || fail "$1: the study wrote no page"
  rm -rf --one-file-system "$machine/root"
}

failed=0
for release in "${RELEASES[@]}"; do
  try_release "$release" || failed=1
done
exit $failed
