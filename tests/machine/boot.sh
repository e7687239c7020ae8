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
mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,var,modules}
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

# What a firewall with flow tables loads, in an order in which it can be loaded.
number=10
for module in crc32c_generic libcrc32c nfnetlink nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack nf_conntrack_netlink nf_nat \
	nf_tables nft_fib nft_fib_ipv4 nft_fib_ipv6 nft_fib_inet nft_ct nft_chain_nat nft_nat nft_masq nf_reject_ipv4 nf_reject_ipv6 nft_reject nft_reject_inet \
	nf_flow_table nf_flow_table_inet nft_flow_offload nft_objref veth; do
	found=$(find "$prefix/lib/modules/$kernel" -name "$module.ko*" | head -n 1)
	case $found in
	*.xz) xz -dc "$found" >"$root/modules/$number-$module" ;;
	*.ko) cp "$found" "$root/modules/$number-$module" ;;
	esac
	number=$((number + 1))
done
(cd "$root" && find . | "$busybox" cpio -o -H newc) >"$work/initramfs" 2>/dev/null

libraries=$prefix/usr/lib/x86_64-linux-gnu:$prefix/lib/x86_64-linux-gnu
qemu=$prefix/usr/bin/qemu-system-x86_64
if [[ -e $qemu ]]; then
	emulate=(env LD_LIBRARY_PATH="$libraries" "$qemu" -L "$prefix/usr/share/qemu" -L "$prefix/usr/share/seabios")
else
	emulate=(qemu-system-x86_64)
fi
# Emulated in software everywhere, so that the same is tested everywhere.
timeout "${MACHINE_TIME:-180}" "${emulate[@]}" -accel tcg -cpu max -smp 2 -m 768 -nographic -no-reboot -nodefaults \
	-serial stdio -kernel "$prefix/boot/vmlinuz-$kernel" -initrd "$work/initramfs" \
	-append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' | tee "$work/console"
status=$(sed -n 's/^machine: ended with //p' "$work/console")
if [[ -z $status ]]; then
	echo "machine: $kernel never came to the end of the test" >&2
	exit 1
fi
exit "$status"
