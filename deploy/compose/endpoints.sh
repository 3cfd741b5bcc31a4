#!/bin/sh
# Prints where the door's services are, with user and password, for `shadowline … --endpoints FILE`:
#
#   ADMIN_USER=me ADMIN_PASSWORD=… endpoints.sh >endpoints.json
#
# PUBLIC_HOST (localhost) and the ports are those of example.env. The file lets its reader in: chmod 600.
set -eu

# Percent-encodes what has a meaning in an address.
encoded() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'; }

[ -n "${ADMIN_USER:-}" ] && [ -n "${ADMIN_PASSWORD:-}" ] || {
    echo "endpoints: ADMIN_USER and ADMIN_PASSWORD are not both set; expected those of the door" >&2
    exit 64
}
# In a pipe its absence would go unnoticed.
services=$(dirname "$0")/../services
[ -r "$services" ] || {
    echo "endpoints: cannot read $services; expected the list that \`make dashboards\` writes" >&2
    exit 66
}
host=${PUBLIC_HOST:-localhost}
at="http://$(encoded "$ADMIN_USER"):$(encoded "$ADMIN_PASSWORD")@$host"
echo "{"
separator=""
# The services are those of deploy/services, their ports those of the environment or the defaults.
grep '^[a-z]' "$services" | while read -r name http grpc _; do
    key=$(echo "$name" | tr - _)
    variable=$(echo "$key" | tr '[:lower:]' '[:upper:]')
    eval "http=\${${variable}_PORT:-$http}"
    printf '%s  "%s": {' "$separator" "$key"
    if [ "$grpc" != - ]; then
        eval "grpc=\${${variable}_GRPC_PORT:-$grpc}"
        printf '"grpc": "http://%s:%s", ' "$host" "$grpc"
    fi
    printf '"http": "%s:%s"}' "$at" "$http"
    separator=",
"
done
printf '\n}\n'
