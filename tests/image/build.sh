#!/usr/bin/env bash
# Builds the image without a Docker engine: buildah in chroot isolation, on a minimal Debian under the name of the
# official base. Needs root. Usage: build.sh <work directory> <image>. Packages: buildah podman runc debootstrap.
set -euo pipefail
work=$1 image=$2
base=docker.io/library/python:3.11-slim-bookworm
store=(--root "$work/store" --runroot "$work/run" --storage-driver overlay)
cd "$(dirname "$0")/../.."

if [ ! -e "$work/base/usr/bin/python3" ]; then
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base"
fi
if ! buildah "${store[@]}" inspect --type image "$base" >/dev/null 2>&1; then
  container=$(buildah "${store[@]}" from scratch)
  mounted=$(buildah "${store[@]}" mount "$container")
  cp -a "$work/base/." "$mounted/"
  # The official image has `python` in its path.
  ln -sf python3 "$mounted/usr/bin/python"
  buildah "${store[@]}" umount "$container"
  buildah "${store[@]}" config --cmd python3 \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah "${store[@]}" commit --quiet --rm "$container" "$base"
fi
certificates=/etc/ssl/certs/ca-certificates.crt
# The docker format, because the other one has no HEALTHCHECK.
buildah "${store[@]}" bud --format docker --isolation chroot --pull-never --network host \
  --volume "$certificates:$certificates:ro" --target application --layers -t "$image" .
