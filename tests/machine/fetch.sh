#!/bin/sh
# Unpacks an emulator and two kernels of Debian into target/machine, once; nothing is installed.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "machine: $*" >&2; }

machine=target/machine
[ -e "$machine/complete" ] && exit 0
if ! command -v apt-get >/dev/null; then
	say "the emulator and its kernels come from Debian's packages: no apt-get here"
	exit 1
fi

# The oldest and the newest kernel that Debian 12 has, in the build without drivers.
kernel() { apt-cache search --names-only "^linux-image-$1[^ ]*-cloud-amd64\$" | cut -d ' ' -f 1 | sort -V | tail -n 1; }
old=$(kernel 6.1.0-) new=$(kernel 6.12.)
if [ -z "$old" ] || [ -z "$new" ]; then
	say "no linux-image-6.1 or -6.12 in the package lists: run apt-get update"
	exit 1
fi

rm -rf "$machine"
mkdir -p "$machine/debs" "$machine/prefix"
say "unpacking qemu, $old and $new"
# An emulator of another version may be installed here, and stays.
packages=$(apt-get install --simulate --no-install-recommends qemu-system-x86 busybox-static |
	sed -n 's/^Inst \([^ ]*\) .*/\1/p')
(
	cd "$machine/debs"
	# shellcheck disable=SC2086 # a list of packages
	apt-get download -qq $packages "$old" "$new"
	for deb in *.deb; do
		dpkg-deb --extract "$deb" ../prefix
		rm "$deb"
	done
)
echo "${old#linux-image-} ${new#linux-image-}" >"$machine/complete"
