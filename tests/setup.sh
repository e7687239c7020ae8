#!/bin/sh
# Installs the Debian packages that building, lint, lab, page, luci, machine, cross or bench need, where they are missing.
set -eu

say() { echo "setup: $*" >&2; }

if ! command -v cargo >/dev/null; then
	say "cargo is missing: install Rust 1.95 or later with rustup"
	exit 1
fi

wanted="gcc libc6-dev libpcap-dev libmnl-dev libnftnl-dev pkg-config"
# Node may be there without being Debian's package; Debian's own is new enough.
node=nodejs npm=npm projects=
command -v node >/dev/null && node=
command -v npm >/dev/null && npm=
for purpose; do
	case $purpose in
	build) ;;
	lint)
		wanted="$wanted shellcheck $node $npm"
		projects="$projects luci-app"
		;;
	luci)
		wanted="$wanted chromium $node $npm"
		projects="$projects tests/luci-browser"
		;;
	page)
		wanted="$wanted lighttpd lighttpd-mod-openssl openssl chromium libotp0-heimdal python3 $node $npm"
		projects="$projects tests/page-browser"
		;;
	lab) wanted="$wanted $node nftables iptables iproute2 util-linux fwknop-client strace libdeflate-tools libfaketime oathtool busybox-static" ;;
	# Emulator and kernels are unpacked by tests/machine/fetch.sh, not installed.
	machine) wanted="$wanted binutils procps xz-utils" ;;
	# Compiler, linker and libpcap are unpacked by cross/toolchain and cross/libpcap, not installed.
	cross) wanted="$wanted bc binutils bison flex fwknop-client libdeflate-tools m4 make python3-venv xz-utils" ;;
	bench) wanted="$wanted fwknop-server iptables" ;;
	*)
		say "unknown purpose $purpose"
		exit 1
		;;
	esac
done

# What the package-lock.json of a directory names, below that directory, where no package of ours takes it from.
see_to_node() {
	for project in $projects; do
		directory="$(dirname "$0")/../$project"
		lock=node_modules/.package-lock.json
		[ -e "$directory/$lock" ] && [ "$(find "$directory/$lock" -newer "$directory/package-lock.json")" ] && continue
		say "installing what $project/package-lock.json names"
		npm ci --prefix "$directory" --no-audit --no-fund --loglevel=error >/dev/null
	done
}

if ! command -v dpkg-query >/dev/null; then
	say "not a Debian system: please see to $wanted yourself"
	see_to_node
	exit 0
fi

missing=
for package in $wanted; do
	state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || echo absent)
	[ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
	see_to_node
	exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		say "please install as root:$missing"
		exit 1
	fi
	as_root=sudo
fi

# Installing a server must not start it on this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '$as_root rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
fi

say "installing$missing"
$as_root apt-get update -qq </dev/null
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
see_to_node
