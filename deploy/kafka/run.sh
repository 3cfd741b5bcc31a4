#!/usr/bin/env bash
# One Apache Kafka node in the background, from the jars that pom.xml names.
#
#   run.sh start   fetches the jars if they are missing, starts the node, waits until it answers
#   run.sh stop    stops it; the data stays
#   run.sh jars    only fetches the jars
#
# KAFKA_PORT (9092) and KAFKA_CONTROLLER_PORT (the next one) choose the ports, KAFKA_HOME the
# directory (.kafka). Without Java 17 or Maven, Docker and the compose.yaml beside this do the same.
set -euo pipefail
# What is in the log is for this user alone.
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${KAFKA_HOME:-$root/.kafka}
port=${KAFKA_PORT:-9092}
controller_port=${KAFKA_CONTROLLER_PORT:-$((port + 1))}
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
libs=$home/libs
data=$home/data
log=$home/kafka.log
pid_file=$home/kafka.pid

say() { echo "kafka: $*" >&2; }

# The major version of Java, or nothing. An old one says 1.8 and means 8.
java_major() {
    command -v java >/dev/null || return 0
    java -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1
}

has_java() { [ "$(java_major || true)" -ge 17 ] 2>/dev/null; }
has_jars() { [ -f "$libs/complete-$version" ]; }
has_docker() { command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

# What is in the way, one sentence each.
missing() {
    if [ -z "$(java_major)" ]; then
        say "missing: Java 17 or later (Debian: apt-get install openjdk-17-jre-headless)"
    elif ! has_java; then
        say "missing: Java 17 or later, the one here is $(java_major) (Debian: apt-get install openjdk-17-jre-headless)"
    fi
    if ! has_jars && ! command -v mvn >/dev/null; then
        say "missing: Maven, to fetch the jars once (Debian: apt-get install maven)"
    fi
    if ! command -v docker >/dev/null; then
        say "or else: Docker with its compose plugin; there is no docker here"
    elif ! has_docker; then
        say "or else: Docker with its compose plugin; the docker here does not answer"
    fi
}

fetch_jars() {
    has_jars && return 0
    # One at a time, because several test programs may start at once.
    if command -v flock >/dev/null; then
        exec 9>"$home/lock"
        flock 9
        has_jars && return 0
    fi
    if ! command -v mvn >/dev/null; then
        missing
        return 1
    fi
    say "fetching Apache Kafka $version from Maven Central into $libs"
    rm -rf "$libs"
    mkdir -p "$libs"
    if ! mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$libs" >"$home/maven.log" 2>&1; then
        tail -n 5 "$home/maven.log" >&2
        say "the jars could not be fetched; the whole story is in $home/maven.log"
        return 1
    fi
    touch "$libs/complete-$version"
}

is_running() { [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }

write_properties() {
    sed -e "s:@PORT@:$port:g" -e "s:@CONTROLLER_PORT@:$controller_port:g" -e "s:@DATA@:$data:g" \
        "$here/server.properties" >"$home/server.properties"
}

java_args=(
    -Xms256m -Xmx512m -XX:+UseSerialGC
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
    -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info
    -cp "$libs/*"
)

start_jars() {
    if is_running; then
        address=$(sed -n 's/^advertised.listeners=PLAINTEXT:\/\/\([^,]*\),.*/\1/p' "$home/server.properties")
        say "already running as process $(cat "$pid_file")"
        echo "$address"
        return 0
    fi
    fetch_jars
    mkdir -p "$data"
    # Also what an earlier version left open.
    chmod -R go= "$data"
    write_properties
    if [ ! -f "$data/meta.properties" ]; then
        cluster=$(java "${java_args[@]}" kafka.tools.StorageTool random-uuid)
        java "${java_args[@]}" kafka.tools.StorageTool format --standalone -t "$cluster" -c "$home/server.properties" >"$log" 2>&1 || {
            cat "$log" >&2
            return 1
        }
    fi
    : >"$log"
    # A session of its own, so that Ctrl-C in this terminal does not reach it.
    setsid nohup java "${java_args[@]}" kafka.Kafka "$home/server.properties" >>"$log" 2>&1 </dev/null &
    echo $! >"$pid_file"
    for _ in $(seq 1 300); do
        if grep -q 'Kafka Server started' "$log"; then
            say "Apache Kafka $version runs as process $(cat "$pid_file"), data in $data"
            echo "127.0.0.1:$port"
            return 0
        fi
        if ! is_running; then
            tail -n 20 "$log" >&2
            rm -f "$pid_file"
            say "it ended while starting; is port $port or $controller_port taken? KAFKA_PORT chooses another"
            return 1
        fi
        sleep 0.2
    done
    say "it did not answer within 60 s; see $log"
    return 1
}

stop_jars() {
    if ! is_running; then
        rm -f "$pid_file"
        return 0
    fi
    pid=$(cat "$pid_file")
    kill -TERM "$pid"
    for _ in $(seq 1 150); do
        if ! kill -0 "$pid" 2>/dev/null; then
            rm -f "$pid_file"
            say "stopped"
            return 0
        fi
        sleep 0.2
    done
    say "process $pid does not stop; kill -9 $pid would end it"
    return 1
}

case ${1:-} in
    jars)
        mkdir -p "$home"
        fetch_jars
        ;;
    start)
        mkdir -p "$home"
        if has_java && { has_jars || command -v mvn >/dev/null; }; then
            start_jars
        elif has_docker; then
            KAFKA_PORT=$port docker compose -f "$here/compose.yaml" up -d --wait kafka
            echo "127.0.0.1:$port"
        else
            missing
            exit 1
        fi
        ;;
    stop)
        stop_jars
        if has_docker; then
            docker compose -f "$here/compose.yaml" rm --stop --force kafka >/dev/null
        fi
        ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        exit 64
        ;;
esac
