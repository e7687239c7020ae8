#!/usr/bin/env bash
# Whether tests/cross/tests says of every test program if it runs on foreign CPUs.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs() { (cd tests && printf '%s\n' *.rs */main.rs) | sed 's/\.rs$//; s|/main$||'; }
named() { grep -Ev '^(#|skip |lib |$)' tests/cross/tests | cut -d ' ' -f 1; }
if ! diff <(programs | sort) <(named | sort) >&2; then
	echo "tests/cross/tests does not name every test program, or names one that is gone" >&2
	exit 1
fi
