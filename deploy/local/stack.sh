#!/usr/bin/env bash
# The whole of compose.yaml without Docker, from programs on the PATH, until Ctrl-C.
#
#   ADMIN_USER=me ADMIN_PASSWORD=… stack.sh
#
# STACK_DIR (.stack) has all data, logs and passwords; layout and data survive. Ports and BIND_ADDRESS are those of
# deploy/compose/example.env; behind the door everything listens on 127.0.0.1, on its port + STACK_OFFSET (10000).
# BIN (target/release) is where Shadowline's programs are. STACK_CHECK=1 ends as soon as everything answers.
set -euo pipefail
# Data, logs and passwords are for this user alone.
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=${STACK_DIR:-$root/.stack}
bin=${BIN:-$root/target/release}
offset=${STACK_OFFSET:-10000}
PATH=$PATH:/usr/sbin:/sbin

say() { echo "stack: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

export BIND_ADDRESS=${BIND_ADDRESS:-127.0.0.1}
ADMIN_USER=${ADMIN_USER:-} ADMIN_PASSWORD=${ADMIN_PASSWORD:-}
# In the environment of those who need them, and of nobody else that is started here.
export -n ADMIN_USER ADMIN_PASSWORD
as_admin() { ADMIN_USER=$ADMIN_USER ADMIN_PASSWORD=$ADMIN_PASSWORD "$@"; }
as_admin "$root/deploy/caddy/start.sh" check

# The door's ports, and where things are behind it.
export GRAFANA_PORT=${GRAFANA_PORT:-3000} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9090} \
    ALERTMANAGER_PORT=${ALERTMANAGER_PORT:-9093} ADMINER_PORT=${ADMINER_PORT:-8080} TRACES_PORT=${TRACES_PORT:-16686} \
    CADDY_METRICS_PORT=${CADDY_METRICS_PORT:-2020}
host=${PUBLIC_HOST:-localhost}
inside() { echo "127.0.0.1:$(($1 + offset))"; }
export GRAFANA_UPSTREAM PROMETHEUS_UPSTREAM ALERTMANAGER_UPSTREAM ADMINER_UPSTREAM TRACES_UPSTREAM
GRAFANA_UPSTREAM=$(inside "$GRAFANA_PORT")
PROMETHEUS_UPSTREAM=$(inside "$PROMETHEUS_PORT")
ALERTMANAGER_UPSTREAM=$(inside "$ALERTMANAGER_PORT")
ADMINER_UPSTREAM=$(inside "$ADMINER_PORT")
TRACES_UPSTREAM=$(inside "$TRACES_PORT")

# The services, from deploy/services: MONITOR_KNN_PORT, MONITOR_KNN_UPSTREAM and so on, as the Caddyfile has them.
services=()
declare -A default_ports=() keeps=()
while read -r name http grpc setting place; do
    services+=("$name")
    default_ports[$name]=$http
    keeps[$name]=$setting=$place
    variable=${name//-/_}
    variable=${variable^^}
    port=${variable}_PORT
    export "$port=${!port:-$http}" "${variable}_UPSTREAM="
    printf -v "${variable}_UPSTREAM" %s "$(inside "${!port}")"
    if [ "$grpc" != - ]; then
        port=${variable}_GRPC_PORT
        export "$port=${!port:-$grpc}" "${variable}_GRPC_UPSTREAM="
        printf -v "${variable}_GRPC_UPSTREAM" %s "$(inside "${!port}")"
    fi
done < <(grep '^[a-z]' "$root/deploy/services")
upstream() { # service, and _GRPC or nothing
    local variable=${1//-/_}
    variable=${variable^^}${2:-}_UPSTREAM
    echo "${!variable:-}"
}
postgres_port=${POSTGRES_PORT:-$((5432 + offset))}
kafka_port=${KAFKA_PORT:-9092}
# Not the next one, which is the door's for Alertmanager.
export KAFKA_CONTROLLER_PORT=${KAFKA_CONTROLLER_PORT:-$((kafka_port + 2))}

# What has to be here.
has() { command -v "$1" >/dev/null 2>&1; }
first() { for it in "$@"; do if has "$it"; then command -v "$it" && return 0; fi; done; return 1; }
missing=""
for program in caddy prometheus psql curl; do has "$program" || missing+=" $program"; done
alertmanager=$(first prometheus-alertmanager alertmanager) || missing+=" alertmanager"
postgres_bin=""
for candidate in "$(dirname "$(command -v initdb || echo /none)")" /usr/lib/postgresql/*/bin; do
    if [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ]; then postgres_bin=$candidate; fi
done
[ -n "$postgres_bin" ] || missing+=" postgres"
[ -z "$missing" ] || fail "missing:$missing; make stack-tools installs them on Debian and Ubuntu"
for program in "${services[@]}"; do
    [ -x "$bin/shadowline-$program" ] || fail "there is no $bin/shadowline-$program; make build makes it"
done

mkdir -p "$dir/log" "$dir/run"
dir=$(cd "$dir" && pwd)
if has flock; then
    exec 8>"$dir/run/lock"
    flock -n 8 || fail "a stack runs already with its data in $dir; STACK_DIR names another place"
fi
# Also what an earlier version left open. Through the folder itself PostgreSQL passes when it is another user.
find "$dir" -mindepth 1 -maxdepth 1 ! -name postgres -exec chmod -R go= {} +
if [ "$(id -u)" -eq 0 ]; then chmod 711 "$dir"; else chmod 700 "$dir"; fi
"$root/deploy/compose/secrets.sh" "$dir/secrets" mine

# Processes, by name, in the order of their start.
names=()
declare -A pids=()
declare -A ended=()

# In sessions of their own, so that Ctrl-C in this terminal is for this script, which ends them in order.
start() { # name, command
    local name=$1
    shift
    setsid "$@" >>"$dir/log/$name.log" 2>&1 </dev/null 8>&- &
    pids[$name]=$!
    names+=("$name")
}

running() { kill -0 "${pids[$1]}" 2>/dev/null; }

# Until it answers, or has ended, or a minute has gone.
await() { # name, what has to succeed
    local name=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        running "$name" || { tail -n 15 "$dir/log/$name.log" >&2; fail "$name ended while starting; its log is $dir/log/$name.log"; }
        [ "$SECONDS" -lt "$deadline" ] || { tail -n 15 "$dir/log/$name.log" >&2; fail "$name did not answer within 60 s; its log is $dir/log/$name.log"; }
        sleep 0.2
    done
}
answers() { curl -sf --noproxy '*' -o /dev/null --max-time 2 "http://$1"; }

kafka_started=""
stop_all() {
    trap '' INT TERM
    local name i signal
    for ((i = ${#names[@]} - 1; i >= 0; i--)); do
        name=${names[i]}
        signal=TERM
        # PostgreSQL: not waiting for clients to leave.
        if [ "$name" = postgres ]; then signal=INT; fi
        kill "-$signal" "${pids[$name]}" 2>/dev/null || true
        wait "${pids[$name]}" 2>/dev/null || true
    done
    if [ -n "$kafka_started" ]; then
        KAFKA_HOME=$dir/kafka KAFKA_PORT=$kafka_port "$root/deploy/kafka/run.sh" stop || true
    fi
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "data, logs and passwords are in $dir"

# Apache Kafka: its jars are fetched once for all.
mkdir -p "$dir/kafka"
"$root/deploy/kafka/run.sh" jars
[ -e "$dir/kafka/libs" ] || ln -s "${KAFKA_HOME:-$root/.kafka}/libs" "$dir/kafka/libs"
kafka_started=yes
kafka=$(KAFKA_HOME=$dir/kafka KAFKA_PORT=$kafka_port "$root/deploy/kafka/run.sh" start 8>&-)

# PostgreSQL, which refuses to run as root.
as_postgres=()
if [ "$(id -u)" -eq 0 ]; then
    user=$(getent passwd postgres >/dev/null && echo postgres || echo nobody)
    as_postgres=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
    mkdir -p "$dir/postgres"
    chown -R "$user" "$dir/postgres"
    "${as_postgres[@]}" test -x "$dir/postgres" || fail "the user $user cannot reach $dir; STACK_DIR names another place"
fi
if [ ! -f "$dir/postgres/PG_VERSION" ]; then
    superuser=$(cat "$dir/secrets/postgres/superuser")
    # The password by a pipe that PostgreSQL's own user makes: no command line and no file of its own shows it.
    printf '%s' "$superuser" | "${as_postgres[@]}" sh -c 'cat | "$0" "$@"' "$postgres_bin/initdb" -D "$dir/postgres" \
        -U postgres -A scram-sha-256 --pwfile=/dev/stdin -E UTF8 --data-checksums >"$dir/log/initdb.log" 2>&1 || {
        cat "$dir/log/initdb.log" >&2
        fail "PostgreSQL's data could not be made"
    }
fi
start postgres "${as_postgres[@]}" "$postgres_bin/postgres" -D "$dir/postgres" -p "$postgres_port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c jit=off
await postgres "$postgres_bin/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" -U postgres
PGHOST=127.0.0.1 PGPORT=$postgres_port PGUSER=postgres SUPERUSER_PASSWORD_FILE=$dir/secrets/postgres/superuser \
    STORE_PASSWORD_FILE=$dir/secrets/postgres/store GRAFANA_PASSWORD_FILE=$dir/secrets/postgres/grafana \
    as_admin "$root/deploy/postgres/setup.sh"

# The services. What they keep is theirs; settings of the environment (SHADOWLINE__…) go before these.
shared=(--set log.kind=kafka --set "log.bootstrap_servers=$kafka" --set telemetry.format=json)
for name in "${services[@]}"; do
    own=(--set "http.listen=$(upstream "$name")")
    [ "${keeps[$name]}" = -=- ] || own+=(--set "${keeps[$name]/=/"=$dir/"}")
    grpc=$(upstream "$name" _GRPC)
    [ -z "$grpc" ] || own+=(--set "grpc.listen=$grpc")
    if [ "$name" = metric-specs ]; then
        own+=(--set "store=postgres://shadowline@127.0.0.1:$postgres_port/shadowline"
            --set "store_password_file=$dir/secrets/metric-specs/store"
            --set "alertmanager.urls=[\"http://$ALERTMANAGER_UPSTREAM\"]"
            --set "alertmanager.external_url=http://$host:$METRIC_SPECS_PORT")
    fi
    start "$name" "$bin/shadowline-$name" "${shared[@]}" "${own[@]}"
done

# The same files as in compose.yaml, with this machine's addresses in place of its names.
addressed() { # from, to
    local service edits=()
    for service in "${services[@]}"; do
        edits+=(-e "s#\b$service:${default_ports[$service]}\b#$(upstream "$service")#g")
    done
    sed "${edits[@]}" \
        -e "s#prometheus:9090#$PROMETHEUS_UPSTREAM#g" -e "s#alertmanager:9093#$ALERTMANAGER_UPSTREAM#g" \
        -e "s#caddy:2020#127.0.0.1:$CADDY_METRICS_PORT#g" -e "s#postgres:5432#127.0.0.1:$postgres_port#g" \
        -e "s#/etc/prometheus/rules#$root/deploy/prometheus/rules#g" \
        -e "s#/var/lib/shadowline/dashboards#$root/dashboards#g" "$1" >"$2"
}
addressed "$root/deploy/prometheus/prometheus.yml" "$dir/run/prometheus.yml"
start alertmanager "$root/deploy/alertmanager/start.sh" "$root/deploy/alertmanager/alertmanager.yml" \
    "$dir/run/alertmanager.yml" "$alertmanager" --config.file="$dir/run/alertmanager.yml" \
    --storage.path="$dir/alertmanager" --web.listen-address="$ALERTMANAGER_UPSTREAM" \
    --web.external-url="http://$host:$ALERTMANAGER_PORT" --cluster.listen-address=
start prometheus prometheus --config.file="$dir/run/prometheus.yml" --storage.tsdb.path="$dir/prometheus" \
    --storage.tsdb.retention.time="${PROMETHEUS_RETENTION:-15d}" --web.listen-address="$PROMETHEUS_UPSTREAM" \
    --web.external-url="http://$host:$PROMETHEUS_PORT" --enable-feature=exemplar-storage

grafana=$(first grafana-server grafana || true)
if [ -n "$grafana" ]; then
    rm -rf "$dir/run/provisioning"
    cp -r "$root/deploy/grafana/provisioning" "$dir/run/provisioning"
    find "$dir/run/provisioning" -type f -print0 | while IFS= read -r -d '' file; do
        addressed "$file" "$file.new"
        mv "$file.new" "$file"
    done
    home=${GRAFANA_HOME:-/usr/share/grafana}
    if [ "$(basename "$grafana")" = grafana ]; then grafana_command=("$grafana" server); else grafana_command=("$grafana"); fi
    start grafana env GF_SECURITY_ADMIN_USER="$ADMIN_USER" GF_SECURITY_ADMIN_PASSWORD="$ADMIN_PASSWORD" \
        GF_SERVER_ROOT_URL="http://$host:$GRAFANA_PORT" GF_SERVER_HTTP_ADDR=127.0.0.1 \
        GF_SERVER_HTTP_PORT="${GRAFANA_UPSTREAM#*:}" GF_PATHS_DATA="$dir/grafana" GF_PATHS_LOGS="$dir/log" \
        GF_PATHS_PROVISIONING="$dir/run/provisioning" \
        GF_SHADOWLINE_DB_PASSWORD="$(cat "$dir/secrets/grafana/database")" \
        "${grafana_command[@]}" --homepath "$home" --config "$root/deploy/grafana/grafana.ini"
fi

adminer=""
for candidate in "${ADMINER:-}" /usr/share/adminer/adminer.php /usr/share/adminer/adminer/index.php; do
    if [ -z "$adminer" ] && [ -n "$candidate" ] && [ -f "$candidate" ]; then adminer=$candidate; fi
done
if [ -n "$adminer" ] && has php && php -m | grep -qx -e pgsql -e pdo_pgsql; then
    start adminer php -S "$ADMINER_UPSTREAM" -t "$(dirname "$adminer")" "$adminer"
else
    adminer=""
fi

CADDY_BIND=$BIND_ADDRESS CADDY_METRICS_BIND=127.0.0.1 as_admin start caddy "$root/deploy/caddy/start.sh"

for name in "${services[@]}"; do await "$name" answers "$(upstream "$name")/readyz"; done
await alertmanager answers "$ALERTMANAGER_UPSTREAM/-/ready"
await prometheus answers "$PROMETHEUS_UPSTREAM/-/ready"
if [ -n "$grafana" ]; then await grafana answers "$GRAFANA_UPSTREAM/api/health"; fi
await caddy answers "127.0.0.1:$CADDY_METRICS_PORT/livez"

as_admin "$root/deploy/compose/endpoints.sh" >"$dir/run/endpoints.json"
chmod 600 "$dir/run/endpoints.json"

line() { printf '  %-14s %s\n' "$1" "$2"; }
{
    echo
    if [ -n "$grafana" ]; then
        line Grafana "http://$host:$GRAFANA_PORT"
    else
        line Grafana "not here: there is no grafana-server on the PATH (https://grafana.com/grafana/download)"
    fi
    line Prometheus "http://$host:$PROMETHEUS_PORT"
    line Alertmanager "http://$host:$ALERTMANAGER_PORT"
    if [ -n "$adminer" ]; then
        line Adminer "http://$host:$ADMINER_PORT   (PostgreSQL, server 127.0.0.1:$postgres_port, database shadowline)"
    else
        line Adminer "not here: it wants the packages adminer and php-pgsql"
    fi
    line predictions "http://$host:$SERVING_PORT, gRPC $host:$SERVING_GRPC_PORT; isolation forest http://$host:$MONITOR_IFOREST_PORT"
    line "command line" "shadowline apply --endpoints $dir/run/endpoints.json -f …"
    echo "The user is $ADMIN_USER, everywhere. Ctrl-C ends it; data and layout stay in $dir."
}
if [ -n "${STACK_CHECK:-}" ]; then exit 0; fi

# Until Ctrl-C, or until something ends by itself.
set +e
wait -n "${pids[@]}"
for name in "${names[@]}"; do
    running "$name" || fail "$name ended by itself; its log is $dir/log/$name.log"
done
