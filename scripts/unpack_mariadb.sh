#!/bin/sh
# Unpacks Debian's MariaDB packages into build/mariadb: a server for the tests without root and without installing anything.
# tests/servers/mariadb.py finds it there.
set -eu
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/tree"
# apt with state of its own, and with the system's list of what is installed already.
apt() {
    apt-get -q -q -o "Dir::State=$work/state" -o "Dir::Cache=$work/cache" -o Dir::State::status=/var/lib/dpkg/status \
        -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}
apt update
packages=$(apt -s --no-install-recommends install mariadb-server-core mariadb-client | awk '/^Inst /{print $2}')
# shellcheck disable=SC2086  # one word per package
(cd "$work/debs" && apt download $packages)
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
rm -rf build/mariadb
mkdir -p build
mv "$work/tree" build/mariadb
