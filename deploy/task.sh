#!/usr/bin/env bash
# A one-off command with the release's role, to its end: task.sh python manage.py createsuperuser --noinput …
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

run_task ReleaseTaskArn "${@:?a command}"
