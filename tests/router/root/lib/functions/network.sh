# shellcheck shell=dash
# Stands in for OpenWrt's: a network that is up has a file, which names its layer-3 device.

network_flush_cache() { :; }
network_get_device() {
	[ -f "/tmp/up/$2" ] || return 1
	read -r "${1?}" <"/tmp/up/$2"
}
