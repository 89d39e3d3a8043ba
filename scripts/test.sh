#!/bin/sh
# usage: test.sh BIN    everything that must hold, cheapest first; stops at the first stage that fails
set -eu
bin=$1
. scripts/stage.sh
stage "servers" sh scripts/servers.sh
sh scripts/lint.sh "$bin"
# A file stays on one worker: what a module loads into the servers, it loads once. Three of them keep two cores busy, for
# half of the time a test waits for servers.
stage "tests" "$bin/python" -m pytest -q -n "${FEDQ_WORKERS:-3}" --dist loadfile
printf '\n==> all good\n'
