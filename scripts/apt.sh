#!/bin/sh
# usage: apt.sh PACKAGE...    installs them as root without starting any service and without asking anything
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# A package that brings a server starts it unless this file says no. It is ours only while we install.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install() { apt-get install -y -q --no-install-recommends "$@" </dev/null; }
log=$(mktemp)
# The lists of a fresh machine are empty or old: fetch them only if the first try fails.
install "$@" >"$log" 2>&1 || { apt-get update -q && install "$@"; } >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    rm -f "$log"
    exit 1
}
rm -f "$log"
