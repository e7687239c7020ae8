#!/bin/sh
# Builds Linux for a big-endian MIPS Malta, which nobody packages: kernel.sh DIRECTORY
set -eu
cd "$(dirname "$0")/../.."
. tests/machine/packages.sh

mkdir -p "$1"
machine=$(cd "$1" && pwd)
source=$machine/source
compiler=$machine/compiler
rm -rf "$source" "$compiler"

say "unpacking a kernel's source and a compiler for it"
# shellcheck disable=SC2046 # a list of packages
unpack "$compiler" linux-source-6.1 $(lacking gcc-12-mips-linux-gnu)
mkdir "$source"
# Other architectures and the largest drivers would only take up space.
tar -xf "$compiler"/usr/src/linux-source-6.1.tar.* -C "$source" --strip-components=1 \
	--exclude='*/arch/[!m]*/*.[chS]' --exclude='*/arch/[!m]*/*.dts*' --exclude='*/Documentation/*/*' --exclude='*/drivers/gpu/drm/amd/include/*'
export PATH="$compiler/usr/bin:$PATH" LD_LIBRARY_PATH="$compiler/usr/lib/x86_64-linux-gnu:$compiler/lib/x86_64-linux-gnu"

cat >"$machine/fragment" <<-END
	# The machine.
	CONFIG_MIPS_MALTA=y
	CONFIG_CPU_BIG_ENDIAN=y
	CONFIG_CPU_MIPS32_R2=y
	CONFIG_SERIAL_8250=y
	CONFIG_SERIAL_8250_CONSOLE=y
	CONFIG_TTY=y
	CONFIG_PRINTK=y
	CONFIG_POWER_RESET=y
	CONFIG_POWER_RESET_PIIX4_POWEROFF=y
	CONFIG_PCI=y
	# What a static program needs.
	CONFIG_BINFMT_ELF=y
	CONFIG_BLK_DEV_INITRD=y
	CONFIG_RD_GZIP=y
	CONFIG_DEVTMPFS=y
	CONFIG_PROC_FS=y
	CONFIG_PROC_SYSCTL=y
	CONFIG_SYSFS=y
	CONFIG_TMPFS=y
	CONFIG_FUTEX=y
	CONFIG_EPOLL=y
	CONFIG_EVENTFD=y
	CONFIG_SIGNALFD=y
	CONFIG_TIMERFD=y
	CONFIG_POSIX_TIMERS=y
	CONFIG_MULTIUSER=y
	CONFIG_FILE_LOCKING=y
	CONFIG_ADVISE_SYSCALLS=y
	CONFIG_MEMBARRIER=y
	CONFIG_INOTIFY_USER=y
	CONFIG_COMPAT_32BIT_TIME=y
	CONFIG_SECCOMP=y
	# The network.
	CONFIG_NET=y
	CONFIG_NETDEVICES=y
	CONFIG_NET_CORE=y
	CONFIG_VETH=y
	CONFIG_UNIX=y
	CONFIG_PACKET=y
	CONFIG_INET=y
	CONFIG_IPV6=y
	CONFIG_NAMESPACES=y
	CONFIG_NET_NS=y
	CONFIG_NETFILTER=y
	CONFIG_NETFILTER_ADVANCED=y
	CONFIG_NETFILTER_NETLINK=y
	CONFIG_NF_CONNTRACK=y
	CONFIG_NF_CT_NETLINK=y
	CONFIG_NF_NAT=y
	CONFIG_NF_TABLES=y
	CONFIG_NF_TABLES_INET=y
	CONFIG_NF_TABLES_IPV4=y
	CONFIG_NF_TABLES_IPV6=y
	CONFIG_NFT_CT=y
	CONFIG_NFT_NAT=y
	CONFIG_NFT_MASQ=y
	CONFIG_NFT_REJECT=y
	CONFIG_NFT_REJECT_INET=y
	CONFIG_NFT_FIB_IPV4=y
	CONFIG_NFT_FIB_IPV6=y
	CONFIG_NFT_FIB_INET=y
END
build() { make -C "$source" ARCH=mips CROSS_COMPILE=mips-linux-gnu- CC=mips-linux-gnu-gcc-12 -s "$@"; }
say "building it: five minutes"
build KCONFIG_ALLCONFIG="$machine/fragment" allnoconfig
# An option that this version does not know, or that lacks what it depends on, is lost without a word.
grep '^CONFIG' "$machine/fragment" | while read -r line; do
	grep -qx "$line" "$source/.config" || say "not in the kernel: $line"
done
build -j2 vmlinux
mips-linux-gnu-strip -o "$machine/kernel.new" "$source/vmlinux"
rm -rf "$source" "$compiler" "$machine/fragment"
mv "$machine/kernel.new" "$machine/kernel"
