#!/usr/bin/env bash
# Runs every test as root and ends with one line: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")/.."

root="$PWD/tests/as-root.sh"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Built as whoever we are, run as root: the lab makes network namespaces.
status=0
cargo test --no-fail-fast --config "target.'cfg(unix)'.runner = '$root'" 2>&1 | tee "$log" || status=$?

passed=0 failed=0
while read -r _ _ _ p _ f _; do
	passed=$((passed + p)) failed=$((failed + f))
done < <(grep '^test result: ' "$log" || echo "test result: none 0 passed; 0 failed;")
if ((status != 0 && failed == 0)); then
	echo "cargo test ended with status $status: something did not build, or a test program died" >&2
	failed=1
fi
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
