#!/usr/bin/env bash
# Builds every overlay and checks each object against the published schema of its kind, with nothing unknown in it:
# Kubernetes' own, KEDA's, and Strimzi's.
#
#   check.sh DIR    DIR keeps what is fetched, once: kustomize, the schemas, a Python environment
#
# Needs Go, Python 3, Maven, and for Strimzi's schemas Java 21; without one of them it says so and exits 1.
set -euo pipefail

kustomize_version=v5.8.1
keda_version=v2.21.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

fail() {
    echo "check-kubernetes: $*" >&2
    exit 1
}
for program in go python3 mvn; do command -v "$program" >/dev/null || fail "there is no $program"; done

# The first Java of version 21 or later.
java21() {
    local java major
    for java in "${JAVA_HOME:-/none}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [ -x "$java" ] || continue
        major=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
        if [ "${major:-0}" -ge 21 ]; then
            echo "$java"
            return 0
        fi
    done
    return 1
}

kustomize=$dir/bin/kustomize-$kustomize_version
if [ ! -x "$kustomize" ]; then
    GOBIN=$dir/bin go install "sigs.k8s.io/kustomize/kustomize/v5@$kustomize_version"
    mv "$dir/bin/kustomize" "$kustomize"
fi

python=$dir/python/bin/python
if ! cmp -s "$here/requirements.txt" "$dir/python/requirements.txt"; then
    python3 -m venv "$dir/python"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$dir/python/requirements.txt"
fi

# KEDA's module has its custom resources in it.
keda=$(cd "$dir" && go mod download -json "github.com/kedacore/keda/v2@$keda_version" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)".*/\1/p')/config/crd/bases
[ -d "$keda" ] || fail "KEDA $keda_version has no config/crd/bases"

strimzi=$dir/strimzi
if ! cmp -s "$here/pom.xml" "$strimzi/pom.xml"; then
    java=$(java21) || fail "there is no Java 21, which Strimzi's generator needs"
    rm -rf "$strimzi"
    mkdir -p "$strimzi/jars" "$strimzi/crds"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$strimzi/jars"
    model=io.strimzi.api.kafka.model
    "$java" -cp "$strimzi/jars/*" io.strimzi.crdgenerator.CrdGenerator --yaml \
        $model.kafka.Kafka="$strimzi/crds/kafka.yaml" $model.nodepool.KafkaNodePool="$strimzi/crds/nodepool.yaml" \
        $model.topic.KafkaTopic="$strimzi/crds/topic.yaml" $model.user.KafkaUser="$strimzi/crds/user.yaml"
    cp "$here/pom.xml" "$strimzi/pom.xml"
fi

for overlay in "$here"/../overlays/*; do
    name=$(basename "$overlay")
    "$kustomize" build "$overlay" >"$dir/$name.yaml"
    "$python" "$here/check.py" "$dir/$name.yaml" "$strimzi/crds" "$keda"
done
