#!/bin/sh
# usage: lint.sh BIN    style, types, import contracts
set -eu
bin=$1
. scripts/stage.sh
stage "style" "$bin/ruff" check --quiet
stage "format" "$bin/ruff" format --check --quiet
stage "types" "$bin/mypy"
stage "import contracts" "$bin/lint-imports" --no-logo
