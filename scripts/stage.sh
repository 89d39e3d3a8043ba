# shellcheck shell=sh
# Sourced: `stage NAME COMMAND...` runs one stage of a check and ends the script when it fails.
. scripts/home.sh
stage() {
    name=$1
    shift
    started=$(date +%s)
    printf '\n==> %s\n' "$name"
    "$@" || {
        status=$?
        printf '\n==> stopped: "%s" failed with exit status %s. Again: %s\n' "$name" "$status" "$*" >&2
        exit "$status"
    }
    printf '    %s: ok, %s s\n' "$name" "$(($(date +%s) - started))"
}
