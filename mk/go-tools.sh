#!/bin/sh
# Installs the programs in Go that tests run, by the list in mk/go, below .stack/go/bin. What is there already stays.
# Where SHADOWLINE_GO names a folder, they are kept there for other checkouts, and .stack/go is a link to it. Without Go
# nothing is installed, and the tests that want them say so.
set -eu

cd "$(dirname "$0")/.."
tools=${SHADOWLINE_GO:-.stack/go}
list=mk/go/tools.txt
mkdir -p "$tools" .stack
if [ -n "${SHADOWLINE_GO:-}" ]; then
    ln -sfn "$tools" .stack/go
fi
# Written last, so an installation that broke off is done again.
if cmp -s "$list" "$tools/installed.txt"; then
    exit 0
fi
if ! command -v go >/dev/null 2>&1; then
    echo "There is no Go here, so its programs are not installed: $(sed -n 's/^# \([a-z]*\).*/\1/p' "$list" | tr '\n' ' ')"
    exit 0
fi
tools=$(cd "$tools" && pwd)
sed '/^#/d' "$list" | while read -r program; do
    echo "Installing $program"
    GOBIN=$tools/bin CGO_ENABLED=0 go install -trimpath "$program"
done
cp "$list" "$tools/installed.txt"
