#!/bin/sh
# Formatting, lints and shell scripts: warnings are errors.
set -eu
cd "$(dirname "$0")/.."

cargo fmt --check
cargo clippy --quiet --all-targets -- -D warnings
# What `cargo test` does not run by itself is not among them.
cargo clippy --quiet --test lab_offload --test lab_luci -- -D warnings
# The router's build carries no syslog.
cargo clippy --quiet --no-default-features --lib --bins -- -D warnings

# The pages, and the tests of their functions.
(cd luci-app && npx --no-install eslint --max-warnings 0 .)

# Every file whose first line names a shell, to the kernel or to shellcheck.
find . \( -name 'target*' -o -name .git -o -name node_modules \) -prune -o -type f -print |
	while read -r file; do
		head -n 1 "$file" | tr -d '\0' | grep -Eq '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell=' && echo "$file"
	done | xargs shellcheck

# A new test program runs on foreign CPUs, or it is said why not.
tests/cross/named.sh
