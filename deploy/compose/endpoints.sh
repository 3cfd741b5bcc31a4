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
host=${PUBLIC_HOST:-localhost}
at="http://$(encoded "$ADMIN_USER"):$(encoded "$ADMIN_PASSWORD")@$host"
cat <<END
{
  "serving": {"grpc": "http://$host:${SERVING_GRPC_PORT:-8001}", "http": "$at:${SERVING_PORT:-8000}"},
  "monitor_iforest": {"http": "$at:${MONITOR_IFOREST_PORT:-8010}"},
  "monitor_knn": {"http": "$at:${MONITOR_KNN_PORT:-8011}"},
  "metric_specs": {"http": "$at:${METRIC_SPECS_PORT:-8020}"}
}
END
