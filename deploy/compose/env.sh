#!/bin/sh
# Writes `.env` beside compose.yaml from example.env: the user `admin`, or ADMIN_USER, and a password of 24 random
# characters, or ADMIN_PASSWORD. One that is there stays.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
file=$here/../../.env
if [ -e "$file" ]; then
    echo ".env is there already; it stays as it is" >&2
    exit 0
fi
user=${ADMIN_USER:-admin}
password=${ADMIN_PASSWORD:-$(head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | head -c 24)}
case $password in
*[\'\"\\\ \#]* | *'$'*) echo "ADMIN_PASSWORD has a quote, a backslash, a blank, # or \$ in it, which .env would read otherwise; expected others" >&2; exit 64 ;;
esac
umask 077
# Not by sed: the values would be read as its patterns.
USER_VALUE=$user PASSWORD_VALUE=$password awk '
    /^ADMIN_USER=/ { print "ADMIN_USER=" ENVIRON["USER_VALUE"]; next }
    /^ADMIN_PASSWORD=/ { print "ADMIN_PASSWORD=" ENVIRON["PASSWORD_VALUE"]; next }
    { print }' "$here/example.env" >"$file.new"
mv "$file.new" "$file"
echo ".env has the user $user and the password; only you can read it" >&2
