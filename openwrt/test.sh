#!/bin/sh
# What the feed runs for each processor: test.sh PACKAGE VERSION
set -e

[ "$1" = spa-knockd ] || exit 0
spa-knockd --version | grep -qxF "spa-knockd $2"

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Keys, and a configuration that is good with them.
spa-knockd keygen >keys
{
	printf "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'lo'\n\tlist port '62201'\n"
	printf "config access 'test'\n\toption enabled '1'\n\toption format 'fwknop'\n\tlist open 'tcp/22'\n"
	sed -n "s/^KEY_BASE64: \(.*\)/\toption key_base64 '\1'/p; s/^HMAC_KEY_BASE64: \(.*\)/\toption hmac_key_base64 '\1'/p" keys
} >config
spa-knockd check --config config

# A frame of 202 bytes, with a payload of a knock's length that nobody's keys made. Where libpcap and the daemon disagree
# about the size of a time, the frame is garbage, and the reason another.
{
	printf '\324\303\262\241\002\000\004\000\000\000\000\000\000\000\000\000\377\377\000\000\001\000\000\000'
	printf '\000\224\065\167\000\000\000\000\312\000\000\000\312\000\000\000'
	printf '\002\000\000\000\000\001\002\000\000\000\000\002\010\000'
	printf '\105\000\000\274\000\000\000\000\100\021\000\000\306\063\144\001\300\000\002\001'
	printf '\234\100\362\371\000\250\000\000'
	printf '%0160d' 0
} >knock.pcap
spa-knockd explain --config config --pcap knock.pcap --json >said
cat said
grep -q '"captured":true,"verdict":"refuse","reason":"hmac"' said
