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

# The pages, the tests of their functions, and what drives them in a browser; first, that the rule about HTML holds.
node luci-app/no-html.test.mjs
luci-app/node_modules/.bin/eslint -c luci-app/eslint.config.mjs --max-warnings 0 luci-app tests/luci tests/luci-browser

# Every file whose first line names a shell, to the kernel or to shellcheck.
find . \( -name 'target*' -o -name .git -o -name node_modules \) -prune -o -type f -print |
	while read -r file; do
		head -n 1 "$file" | tr -d '\0' | grep -Eq '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell=' && echo "$file"
	done | xargs shellcheck

# A new test program runs on foreign CPUs, or it is said why not.
tests/cross/named.sh
