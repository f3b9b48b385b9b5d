#!/usr/bin/env bash
# A logical copy of the database at DATABASE_URL: backup.sh <file>. For copies to keep elsewhere and for moving house; the
# daily backups are those of RDS. Needs pg_dump of the server's version or a later one.
set -euo pipefail
: "${DATABASE_URL:?postgres://…}"
file=${1:?a file that is not there yet}
[ ! -e "$file" ] || { echo "$file is there already; nothing was written." >&2; exit 1; }
umask 077 # it holds all that the database does
# Under its name only when it is whole.
pg_dump --format=custom --no-owner --no-privileges --file="$file.part" "$DATABASE_URL"
mv "$file.part" "$file"
