#!/bin/sh
# usage: venv.sh PYTHON DIRECTORY/.SET
# Makes the virtual environment DIRECTORY if need be and installs fedq with the dependencies of SET:
#   base      what `make demo` needs: no driver, no notebook
#   notebook  everything a user may want
#   test      that, and what the tests need
#   minimum   as test, every dependency in the oldest version that pyproject.toml allows
# The empty file DIRECTORY/.SET says that it is done.
set -eu
python=$1 directory=${2%/*} set=${2##*/.}
. scripts/home.sh

say() { printf '==> %s\n' "$*" >&2; }
usable() { [ -x "$directory/bin/python" ] && "$directory/bin/python" -m pip --version >/dev/null 2>&1; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "fedq needs Python 3.11 or later, and '$python' is not one: make PYTHON=/path/to/python3.11"
    exit 1
}

# Debian keeps ensurepip in a package of its own: `python3 -m venv` may fail, and leaves half an environment behind.
create() {
    rm -rf "$directory"
    "$python" -m venv "$directory" >/dev/null 2>&1 && usable && return
    rm -rf "$directory"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3-venv"
        sh scripts/apt.sh python3-venv >&2 && "$python" -m venv "$directory" && usable && return
        rm -rf "$directory"
    fi
    if "$python" -m pip --version >/dev/null 2>&1; then
        say "no venv module, trying virtualenv"
        "$python" -m pip install -q --target build/virtualenv virtualenv >&2 &&
            PYTHONPATH=build/virtualenv "$python" -m virtualenv -q "$directory" && usable && return
        rm -rf "$directory"
    fi
    say "no pip either, fetching its wheel"
    "$python" -m venv --without-pip "$directory" && "$directory/bin/python" scripts/fetch_pip.py && usable && return
    rm -rf "$directory"
    say "cannot make a virtual environment with $python: install the package python3-venv (as root) and try again"
    return 1
}

case $set in
    base) what=. covered="notebook test" ;;
    notebook) what='.[all]' covered=test ;;
    test | minimum) what='.[all,test]' covered= ;;
    *) say "unknown set '$set'"; exit 2 ;;
esac

usable || { say "making $directory"; create; }
for larger in $covered; do
    if [ -n "$(find "$directory/.$larger" -newer pyproject.toml 2>/dev/null)" ]; then
        : >"$directory/.$set"
        exit 0
    fi
done

constraints=
if [ "$set" = minimum ]; then
    mkdir -p build
    "$directory/bin/python" scripts/minimum.py >build/minimum.txt
    constraints='-c build/minimum.txt'
fi
say "installing fedq $what into $directory"
# shellcheck disable=SC2086  # $constraints is two words or none
"$directory/bin/python" -m pip install -q --disable-pip-version-check --no-warn-script-location $constraints -e "$what"
: >"$directory/.$set"
