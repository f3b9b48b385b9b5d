#!/usr/bin/env bash
# Creates or changes the stacks that a version does not: infrastructure.sh [stack …]. Needs an administrator's permissions.
# Without names those that must be there before the first version; `observability`, `alarms` and `product-alarms` come after it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ $# -eq 0 ]; then
  set -- registry network data storage function roles
fi
for name in "$@"; do
  stack "$name"
done
