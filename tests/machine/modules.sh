#!/bin/sh
# Copies what a firewall needs of a kernel's modules, in an order in which it can be loaded: modules.sh MODULES DIRECTORY NAME…
set -eu
modules=$1 to=$2
shift 2
mkdir -p "$to"

number=10
for module in crc32c_generic libcrc32c nfnetlink nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack nf_conntrack_netlink nf_nat \
	nf_tables nft_fib nft_fib_ipv4 nft_fib_ipv6 nft_fib_inet nft_ct nft_chain_nat nft_nat nft_masq \
	nf_reject_ipv4 nf_reject_ipv6 nft_reject nft_reject_inet "$@" veth; do
	found=$(find "$modules" -name "$module.ko*" | head -n 1)
	case $found in
	*.xz) xz -dc "$found" >"$to/$number-$module" ;;
	*.ko) cp "$found" "$to/$number-$module" ;;
	esac
	number=$((number + 1))
done
