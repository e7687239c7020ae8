#!/bin/sh
# Unpacks emulators and a kernel for each foreign machine into target/foreign, once; nothing is installed.
set -eu
cd "$(dirname "$0")/../.."
. tests/machine/packages.sh

foreign=$PWD/target/foreign
need_apt

if [ ! -e "$foreign/prefix/complete" ]; then
	say "unpacking qemu"
	rm -rf "$foreign/prefix"
	# What is installed here of another version stays; qemu-user-static would register itself with the kernel.
	# shellcheck disable=SC2046 # a list of packages
	unpack "$foreign/prefix" qemu-user-static $(lacking qemu-system-mips qemu-system-arm) $(lacking busybox-static)
	touch "$foreign/prefix/complete"
fi

# A kernel that Debian has: packaged NAME ARCHITECTURE FLAVOUR
packaged() (
	machine=$foreign/$1
	[ -e "$machine/kernel" ] && exit 0
	rm -rf "$machine"
	foreign "$2" "$machine/apt"
	package=$(newest "^linux-image-6.1.0-[0-9]*-$3\$")
	say "unpacking ${package:?no kernel for $1 in the package lists}"
	unpack "$machine/unpacked" "$package"
	tests/machine/modules.sh "$machine/unpacked/lib/modules" "$machine/modules" af_packet
	mv "$machine/unpacked/boot"/vmlinu* "$machine/kernel.new"
	rm -rf "$machine/unpacked" "$machine/apt"
	mv "$machine/kernel.new" "$machine/kernel"
)
packaged arm_cortex-a7 armhf armmp
packaged mipsel_24kc mipsel 4kc-malta
[ -e "$foreign/mips_24kc/kernel" ] || nice -n 5 tests/cross/kernel.sh "$foreign/mips_24kc"
