#!/usr/bin/env bash
# Before the services change: the task definitions of VERSION's one-off tasks, and `manage.py release` run by one.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
: "${VERSION:?the tag of the version}"

stack release "ImageUri=$(output RepositoryUri):$VERSION"
run_task ReleaseTaskArn
