#!/bin/sh
# Unpacks an emulator and two kernels of Debian into target/machine, once; nothing is installed.
set -eu
cd "$(dirname "$0")/../.."
. tests/machine/packages.sh

machine=target/machine
[ -e "$machine/complete" ] && exit 0
need_apt

# The oldest and the newest kernel that Debian 12 has, in the build without drivers.
old=$(newest '^linux-image-6.1.0-[^ ]*-cloud-amd64$') new=$(newest '^linux-image-6.12.[^ ]*-cloud-amd64$')
if [ -z "$old" ] || [ -z "$new" ]; then
	say "no linux-image-6.1 or -6.12 in the package lists: run apt-get update"
	exit 1
fi

rm -rf "$machine"
say "unpacking qemu, $old and $new"
# An emulator of another version may be installed here, and stays.
# shellcheck disable=SC2046 # a list of packages
unpack "$machine/prefix" $(lacking qemu-system-x86 busybox-static) "$old" "$new"
echo "${old#linux-image-} ${new#linux-image-}" >"$machine/complete"
