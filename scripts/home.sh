# shellcheck shell=sh
# Sourced: pip, IPython and Jupyter want a home that they can write to; where there is none they get one in build/.
if [ -z "${HOME:-}" ] || ! [ -d "$HOME" ] || ! [ -w "$HOME" ]; then
    HOME=$PWD/build/home
    mkdir -p "$HOME"
    export HOME
fi
