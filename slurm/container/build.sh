#!/usr/bin/env bash
# Builds the image `bigearth` with buildah, and writes it to a file that apptainer, podman and docker read.
#   slurm/container/build.sh FILE.tar            on Debian 13 from its image hub
#   slurm/container/build.sh FILE.tar bookworm   on a Debian made by mmdebstrap from Debian's archive: needs root, no hub
# What follows goes to `buildah build`, such as --volume=/etc/ssl/certs:/etc/ssl/certs:ro behind a proxy with its own key.
# In a container or a chroot, where namespaces cannot be made: BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs before it.
set -euo pipefail
file=$(realpath -m "${1:?say which file to write, such as scratch/bigearth.tar}")
suite=${2:-}
cd "$(dirname "$0")/../.."
[ ! -e "$file" ] || { echo "build.sh: $file exists: choose another name" >&2; exit 1; }
for program in buildah ${suite:+mmdebstrap}; do
  command -v $program >/dev/null || { echo "build.sh: $program was not found: install the package $program" >&2; exit 1; }
done

base=docker.io/library/debian:trixie-slim
if [ -n "$suite" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mmdebstrap --quiet --variant=minbase "$suite" "$folder/base.tar" "${MIRROR:-http://deb.debian.org/debian}"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$folder/base.tar" / >/dev/null
  base=localhost/debian-$suite
  buildah commit --quiet --rm "$container" "$base" >/dev/null
  rm "$folder/base.tar"
fi
buildah build --file slurm/container/Containerfile --ignorefile slurm/container/containerignore \
  --build-arg "BASE=$base" --tag localhost/bigearth "${@:3}" .
mkdir -p "$(dirname "$file")"
buildah push --quiet localhost/bigearth "docker-archive:$file:bigearth:latest"
echo "written: $file"
