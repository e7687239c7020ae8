#!/usr/bin/env bash
# Runs a test program as root of an emulated machine with a kernel from target/machine: boot.sh PROGRAM ARGUMENT…
set -euo pipefail
test=$(realpath "$1")
arguments=${*:2}
cd "$(dirname "$0")/../.."

prefix=$PWD/target/machine/prefix
kernel=${MACHINE_KERNEL:?the version of a kernel in target/machine}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# The programs, where this machine has them, and the libraries that they need.
put() { mkdir -p "$root$(dirname "$2")" && cp -L "$1" "$root$2"; }
mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,var}
ln -s /run "$root/var/run"
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
busybox=$prefix/bin/busybox
[[ -e $busybox ]] || busybox=$(command -v busybox) || { echo "no busybox: run tests/machine/fetch.sh first" >&2; exit 1; }
put "$busybox" /bin/busybox
daemon=$PWD/target/debug/spa-knockd
put "$daemon" "$daemon"
put "$test" /test
strip "$root/test" "$root$daemon"
programs=()
for program in ip nft sysctl; do
	path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$program")
	put "$path" "/usr/bin/$program"
	programs+=("$path")
done
ldd "$daemon" "$test" "${programs[@]}" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
	put "$library" "$library"
done
put tests/machine/init.sh /init
chmod 755 "$root/init"
echo "$arguments" >"$root/arguments"

tests/machine/modules.sh "$prefix/lib/modules/$kernel" "$root/modules" nf_flow_table nf_flow_table_inet nft_flow_offload nft_objref
(cd "$root" && find . | "$busybox" cpio -o -H newc) >"$work/initramfs" 2>/dev/null

tests/machine/emulate.sh "$prefix" qemu-system-x86_64 -cpu max -smp 2 -m 768 -kernel "$prefix/boot/vmlinuz-$kernel" \
	-initrd "$work/initramfs" -append "console=ttyS0 quiet panic=-1" | tee "$work/console"
status=$(sed -n 's/^machine: ended with //p' "$work/console")
if [[ -z $status ]]; then
	echo "machine: $kernel never came to the end of the test" >&2
	exit 1
fi
exit "$status"
