#!/usr/bin/env bash
# The smoke test and checklist after a deployment: `manage.py postdeploy_check`, run inside the network of the site.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

run_task CheckTaskArn
