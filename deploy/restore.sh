#!/usr/bin/env bash
# Fills the empty database at DATABASE_URL from a file of backup.sh, all of it or nothing: restore.sh <file>.
set -euo pipefail
: "${DATABASE_URL:?postgres://…}"
pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$DATABASE_URL" "${1:?the file}"
