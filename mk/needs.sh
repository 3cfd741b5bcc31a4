#!/bin/sh
# Says what building needs and this machine lacks, with the command that brings it. Exits 1 if anything is missing.
missing=""
packages=""

lacks() { # what, Debian package
    missing="$missing
  - $1"
    packages="$packages $2"
}

has_header() { printf '#include <%s>\n' "$1" | "${CC:-cc}" -E - >/dev/null 2>&1; }

command -v "${CC:-cc}" >/dev/null 2>&1 || lacks "a C compiler (cc)" gcc
command -v "${CXX:-c++}" >/dev/null 2>&1 || lacks "a C++ compiler (c++), for librdkafka" g++
command -v bash >/dev/null 2>&1 || lacks "bash, for librdkafka's configure" bash
command -v pkg-config >/dev/null 2>&1 || lacks "pkg-config, to find OpenSSL" pkg-config
if command -v "${CC:-cc}" >/dev/null 2>&1; then
    has_header zlib.h || lacks "the headers of zlib, for librdkafka" zlib1g-dev
    has_header openssl/ssl.h || lacks "the headers of OpenSSL 3, for Kafka over TLS" libssl-dev
fi

if [ -n "$missing" ]; then
    printf 'To build Shadowline, this machine still needs:%s\n' "$missing" >&2
    printf 'On Debian and Ubuntu:\n  sudo apt-get install -y%s\n' "$packages" >&2
fi
if ! command -v cargo >/dev/null 2>&1; then
    printf 'To build Shadowline, this machine still needs Rust (the version is in rust-toolchain.toml):\n  see https://rustup.rs\n' >&2
    exit 1
fi
[ -z "$missing" ]
