#!/usr/bin/env bash
# Builds the image of VERSION, pushes it and waits for ECR's scan, whose critical findings stop the deployment.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
: "${VERSION:?the tag of the version}"

repository=$(output RepositoryUri)
name=${repository##*/}
if aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$VERSION" >/dev/null 2>&1; then
  echo "== image $VERSION is there already; tags are never moved"
else
  # BASE pins the base image by its digest: docker.io/library/python:3.11-slim-bookworm@sha256:…
  # The tasks are X86_64, whatever this machine is.
  docker build --platform linux/amd64 --target application --pull ${BASE:+--build-arg "BASE=$BASE"} --tag "$repository:$VERSION" "$here/.."
  aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
  docker push "$repository:$VERSION"
fi
aws ecr wait image-scan-complete --repository-name "$name" --image-id "imageTag=$VERSION"
critical=$(aws ecr describe-image-scan-findings --repository-name "$name" --image-id "imageTag=$VERSION" \
  --query 'imageScanFindings.findingSeverityCounts.CRITICAL' --output text)
if [ "$critical" != None ]; then
  echo "The scan of $VERSION has $critical critical findings." >&2
  exit 1
fi
