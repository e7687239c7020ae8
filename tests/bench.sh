#!/bin/sh
# Builds the benchmarks as whoever we are and runs them as root.
set -eu
cd "$(dirname "$0")/.."

exec cargo bench --bench "${1:-spine}" --config "target.'cfg(unix)'.runner = '$PWD/tests/as-root.sh'"
