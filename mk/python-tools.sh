#!/bin/sh
# Installs the clients and testers that tests run, from PyPI at pinned versions, in environments of their own below
# .stack/python: one for each list in mk/python. What is there already stays. Where SHADOWLINE_PYTHON names a folder,
# they are kept there for other checkouts, and .stack/python is a link to it.
set -eu

cd "$(dirname "$0")/.."
envs=${SHADOWLINE_PYTHON:-.stack/python}
if [ -n "${SHADOWLINE_PYTHON:-}" ]; then
    mkdir -p "$envs" .stack
    ln -sfn "$envs" .stack/python
fi
for list in mk/python/*.txt; do
    name=$(basename "$list" .txt)
    env=$envs/$name
    # Written last, so an installation that broke off is done again.
    if cmp -s "$list" "$env/installed.txt"; then
        continue
    fi
    echo "Installing Python's environment $name: $(sed -n 's/^# //p' "$list" | head -n 1)"
    rm -rf "$env"
    python3 -m venv "$env"
    "$env/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$list"
    cp "$list" "$env/installed.txt"
done
echo "The clients that tests run are here."
