#!/bin/sh
# usage: bench.sh BIN [OPTIONS]    TPC-H over three databases with these options, or with none of them: every benchmark
set -eu
bin=$1
shift
. scripts/stage.sh
stage "servers" sh scripts/servers.sh
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v tc >/dev/null; then
    stage "the link" sh scripts/apt.sh iproute2
fi
if [ -n "${QUICK:-}" ]; then
    set -- --quick "$@"
fi
if [ $# -gt 0 ]; then
    stage "TPC-H over three databases" "$bin/python" -m benchmarks.federated "$@"
    exit 0
fi
stage "TPC-H over three databases" "$bin/python" -m benchmarks.federated --all --write
for file in benchmarks/[a-z]*.py; do
    name=$(basename "$file" .py)
    stage "$name" "$bin/python" -m "benchmarks.$name"
done
