#!/usr/bin/env bash
# Boots a foreign machine whose first process tests the daemon there: machine.sh ARCHITECTURE SPA-KNOCKD
set -euo pipefail
arch=$1 program=$(realpath "$2")
cd "$(dirname "$0")/../.."

prefix=$PWD/target/foreign/prefix
machine=$PWD/target/foreign/$arch
qemu=$prefix/usr/bin/$(awk -v arch="$arch" '$1 == arch { print $6 }' cross/targets)-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{usr/sbin,etc/config,knocks}
(
	eval "$(cross/env "$arch")"
	cross/cc -static -Os -Wall -Wextra -Werror tests/cross/init/*.c -o "$root/init"
)
cp "$program" "$root/usr/sbin/"
[[ -d $machine/modules ]] && cp -r "$machine/modules" "$root/"

# Keys that the foreign program made, and knocks that fwknop's client makes with them, just before the machine's clock starts.
keys=$("$qemu" "$program" keygen)
key=$(sed -n 's/^KEY_BASE64: //p' <<<"$keys") hmac=$(sed -n 's/^HMAC_KEY_BASE64: //p' <<<"$keys")
other=$("$qemu" "$program" keygen | sed -n 's/^HMAC_KEY_BASE64: //p')
(
	umask 077
	cat >"$root/etc/config/spa-knockd" <<-END
		config spa-knockd 'main'
			option enabled '1'
			list device 'wan'
			option firewall 'standalone'

		config access 'alice'
			option key_base64 '$key'
			option hmac_key_base64 '$hmac'
			list open 'tcp/22'
			list forward 'tcp/2222=203.0.113.1:8022'
			option timeout '4'
			option require_source_address '0'
	END
)
knock() {
	# The client does not believe its own packets of 2040, but makes them.
	fwknop --no-rc-file --no-save-args -T -B "$work/packet" -D 203.0.113.1 -A "tcp/$2" \
		--key-base64-rijndael "$key" --use-hmac --key-base64-hmac "$hmac" "${@:3}" >/dev/null 2>"$work/said" || [[ $1 == later ]]
	tr -d '\n' <"$work/packet" >"$root/knocks/$1"
	rm "$work/packet"
}
time=$(date +%s)
knock v4 22 -a 203.0.113.2
# For whom it comes from.
knock v6 22 -s
knock forward 2222 -a 203.0.113.2
# In 2040.
knock later 22 -a 203.0.113.2 --time-offset-plus 4870d
hmac=$other knock wrong 22 -a 203.0.113.2

busybox=$prefix/bin/busybox
[[ -e $busybox ]] || busybox=$(command -v busybox)
(cd "$root" && find . | "$busybox" cpio -o -H newc) 2>/dev/null | gzip >"$work/initramfs"

console=ttyS0
case $arch in
mips_24kc) emulator=(qemu-system-mips -M malta -cpu 24Kc) ;;
mipsel_24kc) emulator=(qemu-system-mipsel -M malta -cpu 24Kc) ;;
arm_cortex-a7) emulator=(qemu-system-arm -M 'virt,highmem=off' -cpu cortex-a7) console=ttyAMA0 ;;
esac
tests/machine/emulate.sh "$prefix" "${emulator[@]}" -m 256 -nic none -vga none -kernel "$machine/kernel" -initrd "$work/initramfs" \
	-append "console=$console panic=-1 quiet knock_time=$time" | tee "$work/console"
grep -qx 'machine: passed' "$work/console"
