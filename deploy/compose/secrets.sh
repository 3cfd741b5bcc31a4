#!/bin/sh
# Makes the passwords that services use among themselves, each once, and gives each reader its own copy.
#
#   secrets.sh DIR         makes DIR/postgres/{superuser,store,grafana}, DIR/metric-specs/store, DIR/grafana/database
#   secrets.sh DIR mine    the same, and all of it stays the caller's
#
# To change one, delete it in DIR/postgres and start everything again; the superuser's is set only when the database is
# made.
set -eu

dir=$1
umask 077

# The users that the images run as.
postgres=999
shadowline=65532
grafana=472

mkdir -p "$dir/postgres" "$dir/metric-specs" "$dir/grafana"
for name in superuser store grafana; do
    file=$dir/postgres/$name
    if [ ! -s "$file" ]; then
        # 32 bytes in hexadecimal: nothing in it means something to a shell, SQL or an address.
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file.new"
        mv "$file.new" "$file"
        echo "secrets: made $name"
    fi
done
cp -f "$dir/postgres/store" "$dir/metric-specs/store"
cp -f "$dir/postgres/grafana" "$dir/grafana/database"

chmod 400 "$dir"/postgres/* "$dir"/metric-specs/* "$dir"/grafana/*
[ "${2:-}" != mine ] || exit 0
# Everybody may pass through here; the folders below are their owners'.
chmod 755 "$dir"
chown -R "$postgres" "$dir/postgres"
chown -R "$shadowline" "$dir/metric-specs"
chown -R "$grafana" "$dir/grafana"
