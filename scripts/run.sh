#!/bin/sh
# usage: run.sh COMMAND...    runs it with a home that can be written to
. scripts/home.sh
exec "$@"
