#!/usr/bin/env bash
# A logical copy of the database at DATABASE_URL: backup.sh <file>. For copies to keep elsewhere and for moving house; the
# daily backups are those of RDS. Needs pg_dump of the server's version or a later one.
set -euo pipefail
: "${DATABASE_URL:?postgres://…}"
pg_dump --format=custom --no-owner --no-privileges --file="${1:?a file that is not there yet}" "$DATABASE_URL"
