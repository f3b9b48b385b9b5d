#!/usr/bin/env bash
# Publishes the resizing function from lambda/dist/function.zip (`make lambda`), and lets the alias use the new version.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

archive=${FUNCTION_ARCHIVE:-$here/../lambda/dist/function.zip}
[ -e "$archive" ] || { echo "There is no $archive: make lambda" >&2; exit 1; }
# The key tells the content, so the same function is uploaded and published once.
key=function-$(sha256sum "$archive" | cut -c1-16).zip
aws s3 cp --no-progress "$archive" "s3://$(output ArtifactsBucketName)/$key"
stack function "FunctionCodeKey=$key"
version=$(aws lambda publish-version --function-name "backoffice-$ENVIRONMENT-resizer" --query Version --output text)
stack function "FunctionCodeKey=$key" "FunctionVersion=$version"
