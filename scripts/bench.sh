#!/bin/sh
# usage: bench.sh BIN    runs every module of benchmarks/
set -eu
bin=$1
. scripts/stage.sh
stage "servers" sh scripts/servers.sh
for file in benchmarks/[a-z]*.py; do
    name=$(basename "$file" .py)
    stage "$name" "$bin/python" -m "benchmarks.$name"
done
