#!/usr/bin/env bash
# Runs the tests on foreign CPUs and the daemon in foreign machines: run.sh [ARCHITECTURE…], all when none is named.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t all < <(grep -v '^#' cross/targets | cut -d ' ' -f 1)
(($#)) || set -- "${all[@]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
begun=$SECONDS

# Says how a part ended, and how long it took.
part() {
	local name=$1 start=$SECONDS how=PASS
	shift
	"$@" 2>&1 | tee "$log" || how=FAIL
	echo "$how $name ($((SECONDS - start)) s)"
	[[ $how == PASS ]]
}

tests/cross/named.sh
sed -nE 's/^skip ([^ ]+) +(.*)/not run: \1: \2/p; s/^([^ #]+) +not +(.*)/not run: \1: \2/p' tests/cross/tests

# A part that counts its tests itself, in its last line.
counted() {
	local p f ended=0
	part "$@" || ended=1
	read -r p _ f _ < <(tail -n 1 "$log" | grep ' passed, ') || { p=0 f=1; }
	# One that died after its last line has failed all the same.
	((f > 0)) || f=$ended
	passed=$((passed + p)) failed=$((failed + f))
}

tests/cross/fetch.sh
for arch; do
	# This machine's own CPU has had its tests.
	[[ $arch == x86_64 ]] || counted "tests on $arch" tests/cross/user.sh "$arch"
	cross/build "$arch"
	counted "processors of $arch" tests/cross/cpus.sh "$arch"
	counted "shipped $arch" tests/cross/shipped.sh "$arch"
	if [[ -e target/foreign/$arch/kernel ]]; then
		if part "machine $arch" tests/cross/machine.sh "$arch" "target/cross/bin/$arch/spa-knockd"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	fi
done
echo "this took $((SECONDS - begun)) s"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
