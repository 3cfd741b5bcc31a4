#!/bin/sh
# Puts together what the image holds, and nothing else: the programs, the libraries they are linked with, the
# certificates of authorities, and two users.
#
#   assemble.sh PROGRAMS ROOT    PROGRAMS is where cargo put them, ROOT an empty folder that becomes `/`
#
# Runs in the Containerfile's build stage, and by hand wherever the programs were built.
set -eu

programs=$1
root=$2
here=$(cd "$(dirname "$0")" && pwd)
names="shadowline $(sed -n 's/^\([a-z][^ ]*\) .*/shadowline-\1/p' "$here/../services" | tr '\n' ' ')"

mkdir -p "$root"
if [ -n "$(ls -A "$root")" ]; then
    echo "assemble: \`$root\` is not empty" >&2
    exit 64
fi
install -d -m 755 "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/usr/share/doc/shadowline" "$root/var/lib"
install -d -m 1777 "$root/tmp"
install -d -m 750 "$root/var/lib/shadowline"

for name in $names; do
    install -m 755 "$programs/$name" "$root/usr/local/bin/$name"
    strip "$root/usr/local/bin/$name"
done

# Each library under the path by which the program's loader looks for it.
for name in $names; do
    ldd "$root/usr/local/bin/$name" >"$root/tmp/libraries"
    if grep 'not found' "$root/tmp/libraries" >&2; then
        echo "assemble: \`$name\` needs libraries that are not here" >&2
        exit 1
    fi
    for library in $(sed -n 's/^.* => \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' "$root/tmp/libraries"); do
        [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
    done
done
rm "$root/tmp/libraries"

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/:/sbin/nologin\nshadowline:x:65532:65532:Shadowline:/var/lib/shadowline:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nshadowline:x:65532:\n' >"$root/etc/group"
# What Docker and Kubernetes write into /etc/hosts comes before DNS.
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
install -m 644 "$here/../../LICENSE" "$root/usr/share/doc/shadowline/LICENSE"
