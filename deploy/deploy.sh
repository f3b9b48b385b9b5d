#!/usr/bin/env bash
# VERSION, whole, in the order of the pipeline (.github/workflows/deploy-to.yml). Stops at the first step that fails.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
: "${VERSION:?the tag of the version}"

"$here/image.sh"
if [ "${WITH_FUNCTION:-yes}" = yes ]; then
  "$here/function.sh"
fi
"$here/release.sh"
"$here/service.sh"
"$here/check.sh"
