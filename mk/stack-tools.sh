#!/bin/sh
# Installs the programs that the tests of the stack run, from Debian's packages. Starts and enables none of their
# services, makes no database cluster, and leaves what was installed before as it was. --missing only names what is
# missing, and exits 1 if anything is.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=""
packages=""

lacks() { # what, Debian package
    missing="$missing
  - $1"
    packages="$packages $2"
}

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
    has initdb && has postgres && return 0
    for bin in /usr/lib/postgresql/*/bin; do
        [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && return 0
    done
    return 1
}

look() {
    missing=""
    packages=""
    has prometheus && has promtool || lacks "prometheus and promtool (https://prometheus.io/download)" prometheus
    { has prometheus-alertmanager || has alertmanager; } && has amtool ||
        lacks "alertmanager and amtool (https://prometheus.io/download)" prometheus-alertmanager
    has caddy || lacks "caddy (https://caddyserver.com/download)" caddy
    has_postgres || lacks "a PostgreSQL server: initdb and postgres (https://www.postgresql.org/download)" postgresql
    has curl || lacks "curl" curl
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || lacks "Python 3.11 or later with venv" python3-venv
    has openssl || lacks "openssl" openssl
    # The documents are run in a network of their own.
    has ip && has unshare || lacks "ip and unshare" "iproute2 util-linux"
    has systemd-analyze || lacks "systemd-analyze, which checks the units" systemd
    has java || lacks "Java 17 or later, for Apache Kafka" openjdk-17-jre-headless
    # Once the jars are there, Maven is no longer needed.
    ls .kafka/libs/complete-* >/dev/null 2>&1 || has mvn || lacks "Maven, to fetch Apache Kafka once" maven
}

cd "$(dirname "$0")/.."
look
if [ -z "$missing" ]; then
    echo "The programs of the stack are here."
    exit 0
fi
if [ "${1:-}" = --missing ] || ! has apt-get; then
    printf 'To run the stack, this machine still needs:%s\n' "$missing" >&2
    exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! has sudo; then
        printf 'To run the stack, this machine still needs:%s\n' "$missing" >&2
        printf 'and to install it root or sudo: apt-get install --no-install-recommends%s\n' "$packages" >&2
        exit 1
    fi
    as_root=sudo
fi

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
kept=$(mktemp -d)
units_before=$kept/units
enabled() { ls /etc/systemd/system/*.wants 2>/dev/null | grep '\.service$' | sort -u || true; }

undo() {
    if [ -e "$kept/policy" ]; then $as_root cp -p "$kept/policy" "$policy"; else $as_root rm -f "$policy"; fi
    if [ -e "$kept/clusters" ]; then $as_root cp -p "$kept/clusters" "$clusters"; fi
    rm -rf "$kept"
}

if [ -e "$policy" ]; then $as_root cp -p "$policy" "$kept/policy"; fi
trap undo EXIT
trap 'exit 130' INT TERM
# Asked by the packages before they start a service; 101 forbids it.
printf '#!/bin/sh\nexit 101\n' >"$kept/forbid"
$as_root install -m 755 "$kept/forbid" "$policy"
enabled >"$units_before"

# It talks at length; that is shown where it fails.
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -qq "$@" >"$kept/apt.log" 2>&1 && return 0
    cat "$kept/apt.log" >&2
    echo "apt-get $* failed" >&2
    exit 1
}

apt update
case $packages in
*postgresql*)
    apt install -y --no-install-recommends postgresql-common
    $as_root cp -p "$clusters" "$kept/clusters"
    echo 'create_main_cluster = false' | $as_root tee -a "$clusters" >/dev/null
    ;;
esac
# Unquoted: a list.
apt install -y --no-install-recommends $packages

# A package enables its service for the next start of the machine; that was not asked for.
if has systemctl; then
    for unit in $(enabled | sort | comm -13 "$units_before" -); do
        $as_root systemctl disable --quiet "$unit" 2>/dev/null || echo "$unit is enabled; systemctl disable $unit" >&2
    done
fi

look
if [ -n "$missing" ]; then
    printf 'Installed what Debian has, but this machine still needs:%s\n' "$missing" >&2
    exit 1
fi
echo "The programs of the stack are here; none of their services was started."
