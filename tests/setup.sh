#!/bin/sh
# Installs the Debian packages that building, lint, lab, machine or bench need, where they are missing.
set -eu

say() { echo "setup: $*" >&2; }

if ! command -v cargo >/dev/null; then
	say "cargo is missing: install Rust 1.95 or later with rustup"
	exit 1
fi

wanted="gcc libc6-dev libpcap-dev libmnl-dev libnftnl-dev pkg-config"
for purpose; do
	case $purpose in
	build) ;;
	lint) wanted="$wanted shellcheck" ;;
	lab) wanted="$wanted nftables iptables iproute2 util-linux fwknop-client strace libfaketime oathtool" ;;
	# Emulator and kernels are unpacked by tests/machine/fetch.sh, not installed.
	machine) wanted="$wanted binutils procps xz-utils" ;;
	bench) wanted="$wanted fwknop-server iptables" ;;
	*)
		say "unknown purpose $purpose"
		exit 1
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	say "not a Debian system: please see to $wanted yourself"
	exit 0
fi

missing=
for package in $wanted; do
	state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || echo absent)
	[ "$state" = installed ] || missing="$missing $package"
done
[ "$missing" ] || exit 0

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
