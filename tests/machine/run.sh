#!/bin/sh
# Runs the tests that need flow tables, in a machine of its own for each kernel.
set -eu
cd "$(dirname "$0")/../.."

tests/machine/fetch.sh
cargo build --quiet --bins
# shellcheck disable=SC2013 # two words
for kernel in $(cat target/machine/complete); do
	echo "machine: Linux $kernel"
	MACHINE_KERNEL=$kernel cargo test --quiet --test lab_offload \
		--config "target.'cfg(unix)'.runner = '$PWD/tests/machine/boot.sh'" -- --test-threads=1
done
