#!/bin/sh
# Makes the database, who owns it and who reads it: init.sql, as the superuser that PGHOST, PGPORT and PGUSER name.
#
# SUPERUSER_PASSWORD_FILE        the superuser's password, where one is needed
# STORE_PASSWORD_FILE            of `shadowline`, who owns the tables
# GRAFANA_PASSWORD_FILE          of `grafana`, who reads them
# ADMIN_USER, ADMIN_PASSWORD     somebody else who reads them, if set
set -eu

here=$(cd "$(dirname "$0")" && pwd)
for variable in STORE_PASSWORD_FILE GRAFANA_PASSWORD_FILE ${SUPERUSER_PASSWORD_FILE:+SUPERUSER_PASSWORD_FILE}; do
    eval "file=\${$variable:-}"
    if [ ! -r "$file" ] || [ ! -s "$file" ]; then
        echo "postgres: $variable is \`$file\`; expected a file with a password in it that can be read" >&2
        exit 64
    fi
done
if [ -n "${SUPERUSER_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$SUPERUSER_PASSWORD_FILE")
    export PGPASSWORD
fi
psql -X -q -d postgres -f "$here/init.sql"
echo "postgres: the database \`shadowline\` and its users are there"
