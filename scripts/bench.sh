#!/bin/sh
# usage: bench.sh BIN    runs every benchmarks/bench_*.py
set -eu
bin=$1
. scripts/stage.sh
for file in benchmarks/bench_*.py; do
    [ -e "$file" ] || { echo 'make bench: there are no benchmarks yet' >&2; exit 1; }
    stage "$file" "$bin/python" "$file"
done
