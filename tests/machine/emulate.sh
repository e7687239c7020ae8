#!/bin/sh
# Boots a machine to its end, its console on stdout: emulate.sh PREFIX EMULATOR ARGUMENT…
set -eu
prefix=$1 emulator=$2
shift 2

# Where one is installed, nothing was unpacked.
if [ -e "$prefix/usr/bin/$emulator" ]; then
	export LD_LIBRARY_PATH="$prefix/usr/lib/x86_64-linux-gnu:$prefix/lib/x86_64-linux-gnu"
	set -- "$prefix/usr/bin/$emulator" -L "$prefix/usr/share/qemu" -L "$prefix/usr/share/seabios" "$@"
else
	set -- "$emulator" "$@"
fi
# Emulated in software everywhere, so that the same is tested everywhere.
timeout "${MACHINE_TIME:-180}" "$@" -accel tcg -nographic -no-reboot -nodefaults -serial stdio </dev/null | tr -d '\r'
