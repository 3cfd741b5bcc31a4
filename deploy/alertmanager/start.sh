#!/bin/sh
# Starts Alertmanager with alertmanager.yml, and with a webhook in every receiver if one is named.
#
#   start.sh CONFIG WRITTEN COMMAND…   CONFIG is alertmanager.yml, WRITTEN where the finished file goes
#
# ALERT_WEBHOOK_URL, or ALERT_WEBHOOK_URL_FILE where the address is a secret: who hears of alerts and of their end.
# ALERT_WATCHDOG_URL: a dead man's switch, which hears every five minutes that alerts are delivered.
# They get Alertmanager's JSON (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
set -eu

config=$1
written=$2
shift 2

refuse() { echo "alertmanager: $*" >&2; exit 64; }

url=${ALERT_WEBHOOK_URL:-}
if [ -n "${ALERT_WEBHOOK_URL_FILE:-}" ]; then
    [ -z "$url" ] || refuse "ALERT_WEBHOOK_URL and ALERT_WEBHOOK_URL_FILE are both set; expected one of them"
    [ -r "$ALERT_WEBHOOK_URL_FILE" ] || refuse "ALERT_WEBHOOK_URL_FILE: \`$ALERT_WEBHOOK_URL_FILE\` cannot be read"
    url=$(cat "$ALERT_WEBHOOK_URL_FILE")
    [ -n "$url" ] || refuse "ALERT_WEBHOOK_URL_FILE: \`$ALERT_WEBHOOK_URL_FILE\` is empty"
fi

check() {
    # Not the address itself: a password may be in it.
    case $2 in
    "" | http://?* | https://?*) ;;
    *) refuse "the $1's address begins with neither http:// nor https://" ;;
    esac
    case $2 in
    *[\'\"\\\ ]* | *[![:print:]]*) refuse "the $1's address has a blank, a quote or a backslash in it; write them as %20, %27, %22, %5C" ;;
    esac
}
check webhook "$url"
check watchdog "${ALERT_WATCHDOG_URL:-}"

umask 077
URL=$url WATCHDOG=${ALERT_WATCHDOG_URL:-} awk '
    function webhook(url, resolved) {
        printf "    webhook_configs:\n      - url: \047%s\047\n        send_resolved: %s\n", url, resolved
    }
    /^ *# webhook$/ && ENVIRON["URL"] != "" { webhook(ENVIRON["URL"], "true"); next }
    /^ *# watchdog$/ && ENVIRON["WATCHDOG"] != "" { webhook(ENVIRON["WATCHDOG"], "false"); next }
    { print }' "$config" >"$written"
exec "$@"
