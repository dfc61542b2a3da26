#!/usr/bin/env bash
# setup.sh packages [tests|pythons] | venv: bring a Debian 12 machine to where Headrace builds and runs.
#   packages        Debian packages that building and `make demo` need; with `tests`, also those that only tests need,
#                   with `pythons` those of `make test-pythons`
#   venv            .venv with every Python package of requirements/dev.txt, each checked against its hash
# What is there already is left alone; if no package is missing, neither sudo nor apt-get is called.
set -euo pipefail
cd "$(dirname "$0")/.."

base=(gcc libc6-dev python3-dev python3-venv pkg-config libpq-dev librdkafka-dev libjansson-dev libcurl4-openssl-dev zlib1g-dev libzstd-dev
      libxxhash-dev tzdata ca-certificates default-jre-headless maven)
tests=(chromium clang libclang-rt-14-dev zstd valgrind
       g++ libsimdjson-dev)
pythons=(make patchelf libssl-dev libffi-dev)

die() { echo "setup: $*" >&2; exit 1; }

installed() {
    # any Java from 17 on will do, whoever packaged it
    if [ "$1" = default-jre-headless ] && command -v java >/dev/null; then
        local major
        major=$(java -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p')
        [ "${major:-0}" -ge 17 ] && return 0
    fi
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

packages() {
    local wanted=("${base[@]}") missing=() name root=()
    [ "${1:-}" = tests ] && wanted+=("${tests[@]}")
    [ "${1:-}" = pythons ] && wanted+=("${pythons[@]}")
    command -v dpkg-query >/dev/null ||
        die "this machine is not Debian. Install yourself what Debian calls: ${wanted[*]}; then: make setup PACKAGES=no"
    for name in "${wanted[@]}"; do installed "$name" || missing+=("$name"); done
    if [ ${#missing[@]} = 0 ]; then
        echo "setup: no Debian package is missing"
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "as root, run: apt-get install --no-install-recommends ${missing[*]}"
        root=(sudo)
    fi
    echo "setup: installing ${#missing[@]} Debian packages, 1 to 5 minutes: ${missing[*]}"
    local log=build/setup-packages.log
    mkdir -p build
    if ! { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
           "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
         } >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        die "Debian packages could not be installed; the lines above are the end of $log"
    fi
}

# The locked requirements are for Python 3.11, which is Debian 12's own.
find_python() {
    local candidate
    for candidate in python3 python3.11 /usr/bin/python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "no Python 3.11 with its venv module was found (on Debian 12: apt-get install python3 python3-venv)"
}

venv() {
    local python
    if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
        python=$(find_python)
        echo "setup: making .venv with $("$python" --version)"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
    echo "setup: installing the Python packages of requirements/dev.txt, half a minute to 5 minutes the first time"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements/dev.txt
}

case ${1:-} in
    packages) packages "${2:-}" ;;
    venv) venv ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
esac
