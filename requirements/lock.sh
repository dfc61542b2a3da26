#!/usr/bin/env bash
# Writes requirements/*.txt from requirements/*.in. UPGRADE=1 takes the newest versions instead of keeping the locked ones.
# The files name no index and no address, so that any mirror serves them.
set -euo pipefail
cd "$(dirname "$0")/.."
options=(--quiet --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links)
[ "${UPGRADE:-0}" = 1 ] && options+=(--upgrade)
for name in bootstrap coverage dev nifi; do
    .venv/bin/uv pip compile "${options[@]}" "requirements/$name.in" -o "requirements/$name.txt"
done
# the image gets the versions that the tests ran with
for name in airflow build; do
    .venv/bin/uv pip compile "${options[@]}" -c requirements/dev.txt "requirements/$name.in" -o "requirements/$name.txt"
done
# other versions of Python
.venv/bin/uv pip compile "${options[@]}" --universal requirements/pythons.in -o requirements/pythons.txt
if grep -nE '://' requirements/*.txt; then
    echo "lock: an address got into a locked file (lines above); remove its cause and lock again" >&2
    exit 1
fi
.venv/bin/python -m stack.kafka lock
.venv/bin/python -m stack.connect lock
.venv/bin/python -m stack.nifi lock
echo "lock: $(grep -c '==' requirements/dev.txt) packages pinned in requirements/dev.txt"
