# shellcheck shell=dash
# Stands in for OpenWrt's: a network that is up has a file, which names its layer-3 device; and where it has addresses, it
# has another one with them and their prefixes, IPv4 in its first line and IPv6 in its second.

network_flush_cache() { :; }
network_get_device() {
	[ -f "/tmp/up/$2" ] || return 1
	read -r "${1?}" <"/tmp/up/$2"
}

# Sets a variable to a line of those addresses, and fails where it is empty. 1: the variable; 2: the network; 3: the line;
# 4: what sed does with it.
network_line() {
	eval "$1=\$(sed -n '$3p' '/tmp/addresses.$2' 2>/dev/null | sed '$4')"
	eval "[ -n \"\$$1\" ]"
}
network_get_subnets() { network_line "$1" "$2" 1 ''; }
network_get_subnets6() { network_line "$1" "$2" 2 ''; }
network_get_ipaddrs() { network_line "$1" "$2" 1 's,/[0-9]*,,g'; }
network_get_ipaddrs6() { network_line "$1" "$2" 2 's,/[0-9]*,,g'; }
