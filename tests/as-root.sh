#!/bin/sh
# Runs a program as root: network namespaces need that.
set -eu

if [ "$(id -u)" -eq 0 ]; then
	exec "$@"
elif command -v sudo >/dev/null; then
	exec sudo -E "$@"
fi
echo "$1 needs root for its network namespaces, and there is no sudo: run it as root" >&2
exit 1
