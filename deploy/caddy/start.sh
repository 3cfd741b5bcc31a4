#!/bin/sh
# Checks who may come in, and starts Caddy with the Caddyfile beside this script.
#
#   start.sh          runs it, until it is stopped
#   start.sh check    only says whether ADMIN_USER and ADMIN_PASSWORD are fit
#
# ADMIN_USER, ADMIN_PASSWORD   for Prometheus, Alertmanager, Adminer and what operates Shadowline; Grafana has the same
# BIND_ADDRESS (127.0.0.1)     where the door is published: `admin` is no password for more than this machine
set -eu

here=$(cd "$(dirname "$0")" && pwd)

refuse() {
    echo "caddy: $*" >&2
    exit 64
}

user=${ADMIN_USER:-}
password=${ADMIN_PASSWORD:-}
address=${BIND_ADDRESS:-127.0.0.1}
[ -n "$user" ] || refuse "ADMIN_USER is not set; expected the name of the user who may come in"
[ -n "$password" ] || refuse "ADMIN_PASSWORD is not set; expected the password of \`$user\`"
case $user in
*[!A-Za-z0-9._@-]*) refuse "ADMIN_USER is \`$user\`; expected letters, digits, and . _ @ - only" ;;
postgres | shadowline | grafana) refuse "ADMIN_USER is \`$user\`, which the database has as a user of its own; expected another name" ;;
esac
case $password in
*[![:print:]]*) refuse "ADMIN_PASSWORD has a character that cannot be printed; expected one line of ASCII" ;;
esac
# bcrypt would pass over what is behind the 72nd byte.
[ "${#password}" -le 72 ] || refuse "ADMIN_PASSWORD has ${#password} characters; expected at most 72"
case $address in
localhost | 127.* | ::1 | "[::1]") ;;
*)
    if [ "$password" = admin ] || [ "$password" = "$user" ]; then
        refuse "ADMIN_PASSWORD can be guessed, and BIND_ADDRESS is $address; expected a password of your own outside 127.0.0.1"
    fi
    ;;
esac
[ "${1:-}" != check ] || exit 0

# By standard input, because other users can see a command line.
ADMIN_PASSWORD_HASH=$(printf '%s\n' "$password" | caddy hash-password --algorithm bcrypt)
export ADMIN_PASSWORD_HASH
unset ADMIN_PASSWORD password
exec caddy run --adapter caddyfile --config "$here/Caddyfile"
