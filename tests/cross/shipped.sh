#!/usr/bin/env bash
# Runs the tests that start the program with the shipped binary of a foreign CPU in its place: shipped.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1

program=$PWD/target/cross/bin/$target/spa-knockd
qemu=$PWD/target/foreign/prefix/usr/bin/$(awk -v target="$target" '$1 == target { print $6 }' cross/targets)-static
# What they ask is in files and on its command line; the others need a kernel of the CPU's own, or compare texts.
tests=(check explain_nat explain_vectors import)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\nexec %q %q "$@"\n' "$qemu" "$program" >"$work/spa-knockd"
chmod 755 "$work/spa-knockd"
cargo test --quiet --no-run --message-format=json "${tests[@]/#/--test=}" >"$work/built"
sed -n '/"profile":{[^}]*"test":true/s/.*"executable":"\([^"]*\)".*/\1/p' "$work/built" >"$work/programs"
own=$(sed -n '/"name":"spa-knockd"/s/.*"executable":"\([^"]*\/spa-knockd\)".*/\1/p' "$work/built" | head -n 1)

# In a mount namespace, so that the program of this CPU is never gone.
# shellcheck disable=SC2016 # the inner shell's
tests/as-root.sh unshare --mount --propagation private bash -euc '
	mount --bind "$1" "$2"
	failed=0
	while read -r test; do
		"$test" || failed=1
	done <"$3"
	exit "$failed"' - "$work/spa-knockd" "$own" "$work/programs" 2>&1 | tee "$work/log" || true

passed=0 failed=0 ended=0
while read -r p f; do
	passed=$((passed + p)) failed=$((failed + f)) ended=$((ended + 1))
done < <(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$work/log")
# One that died said nothing of its result.
((ended == ${#tests[@]})) || failed=$((failed + 1))
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
