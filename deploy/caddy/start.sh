#!/bin/sh
# Checks who may come in, and starts Caddy with the Caddyfile beside this script.
#
#   start.sh          runs it, until it is stopped
#   start.sh check    only says whether ADMIN_USER and ADMIN_PASSWORD are fit
#
# ADMIN_USER, ADMIN_PASSWORD   for Prometheus, Alertmanager, Adminer and what operates Shadowline; Grafana has the same
# BIND_ADDRESS (127.0.0.1)     where the door is published: for more than this machine the password is not one that can
#                              be guessed
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
[ "${#password}" -le 72 ] || refuse "ADMIN_PASSWORD has ${#password} characters; expected at most 72"
case $address in
localhost | 127.* | ::1 | "[::1]") ;;
*)
    if [ "$password" = admin ] || [ "$password" = "$user" ]; then
        refuse "ADMIN_PASSWORD can be guessed, and BIND_ADDRESS is $address; expected a password of your own outside 127.0.0.1"
    fi
    # A guess costs whoever guesses as much as any request: some thousands a second.
    if [ "${#password}" -lt 8 ]; then
        refuse "ADMIN_PASSWORD can be guessed: it has ${#password} of at least 8 characters, and BIND_ADDRESS is $address; expected a longer password outside 127.0.0.1"
    fi
    # All of one kind: aaaaaaaa, ........
    first=${password%"${password#?}"}
    rest=$password
    while [ "${rest#"$first"}" != "$rest" ]; do rest=${rest#"$first"}; done
    if [ -z "$rest" ]; then
        refuse "ADMIN_PASSWORD can be guessed: it is one character again and again, and BIND_ADDRESS is $address; expected a password of your own outside 127.0.0.1"
    fi
    ;;
esac
[ "${1:-}" != check ] || exit 0

# ADMIN_LOGIN is what a client sends who knows them. By standard input, because other users can see a command line; and
# Caddy gets the finished configuration the same way, so that the password is neither in its environment nor, as Caddy
# keeps the last configuration otherwise, in a file.
login=$(printf '%s:%s' "$user" "$password" | base64 | tr -d '\n')
config=$(ADMIN_LOGIN=$login caddy adapt --adapter caddyfile --config "$here/Caddyfile")
config=$(printf '%s' "$config" | sed 's/"admin":{"disabled":true}/"admin":{"disabled":true,"config":{"persist":false}}/')
unset ADMIN_PASSWORD password login
exec caddy run --config - <<END
$config
END
