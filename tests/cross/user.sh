#!/usr/bin/env bash
# Builds the tests that need no kernel of their own for a foreign CPU and runs them under qemu-user: user.sh ARCHITECTURE
set -euo pipefail
cd "$(dirname "$0")/../.."
arch=$1
cross/toolchain
eval "$(cross/env "$arch" | grep -E '^export (CROSS_QEMU|CROSS_TRIPLE|CARGO_TARGET_DIR)=')"
qemu=$PWD/target/foreign/prefix/usr/bin/$CROSS_QEMU-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wanted=() skipped=()
while read -r name how _; do
	case $name/$how in
	lib/user) wanted+=(--lib) ;;
	skip/*) skipped+=(--skip "$how") ;;
	*/user) wanted+=(--test "$name") ;;
	esac
done < <(grep -v '^#' tests/cross/tests)

# Nobody debugs these, and what debuggers need is most of the work of linking; emulated digests want some optimization.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_INCREMENTAL=0
nice -n 5 cross/cargo "$arch" test --quiet --no-run --message-format=json --no-default-features --features seccomp "${wanted[@]}" >"$work/built"
sed -n '/"profile":{[^}]*"test":true/s/.*"executable":"\([^"]*\)".*/\1/p' "$work/built" >"$work/programs"

# Tests start the program by its name: let that be the emulator with it.
program=$CARGO_TARGET_DIR/$CROSS_TRIPLE/debug/spa-knockd
if [[ $(head -c 2 "$program") != '#!' ]]; then
	mv "$program" "$program.foreign"
	printf '#!/bin/sh\nexec %q %q "$@"\n' "$qemu" "$program.foreign" >"$program"
	chmod 755 "$program"
fi

# Lets a test program take options that are not stable.
export RUSTC_BOOTSTRAP=1 PROPTEST_CASES=32
passed=0 failed=0
while read -r test; do
	name=${test##*/} status=0
	# No test can be started anew by itself there, and a failing one ends its program.
	"$qemu" "$test" -Zunstable-options --force-run-in-process --test-threads=2 --exact "${skipped[@]}" >"$work/log" 2>&1 || status=$?
	read -r p f < <(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$work/log") || { p=0 f=1; }
	passed=$((passed + p)) failed=$((failed + f))
	if ((status != 0 || f != 0)); then
		((f > 0)) || failed=$((failed + 1))
		echo "on $arch, ${name%-*} failed with status $status:" >&2
		tail -n 40 "$work/log" >&2
	fi
done <"$work/programs"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
