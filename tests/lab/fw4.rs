//! A firewall as OpenWrt's fw4 makes it, with the sets and rules that the package drops in.

use super::{Lab, Place};

/// The chains of fw4 that matter here, for one WAN and one LAN, and our sets within them.
const FW4: &str = "
table inet fw4 {
	set spa_in4_v1 {
		type ipv4_addr . inet_proto . inet_service
		flags timeout
		size 16384
	}
	set spa_in6_v1 {
		type ipv6_addr . inet_proto . inet_service
		flags timeout
		size 16384
	}
	set spa_to4_v1 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
		flags timeout
		size 16384
	}
	set spa_to6_v1 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
		flags timeout
		size 16384
	}
	set spa_net4_v1 {
		type ipv4_addr . inet_proto . inet_service
		flags timeout, interval
		size 1024
	}
	set spa_net6_v1 {
		type ipv6_addr . inet_proto . inet_service
		flags timeout, interval
		size 1024
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		iifname lan accept
		iifname wan jump input_wan
		jump handle_reject
	}
	chain input_wan {
		ip saddr . meta l4proto . th dport @spa_in4_v1 accept
		ip6 saddr . meta l4proto . th dport @spa_in6_v1 accept
		ip saddr . ip daddr . meta l4proto . th dport @spa_to4_v1 accept
		ip6 saddr . ip6 daddr . meta l4proto . th dport @spa_to6_v1 accept
		ip saddr . meta l4proto . th dport @spa_net4_v1 accept
		ip6 saddr . meta l4proto . th dport @spa_net6_v1 accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		jump handle_reject
	}
	chain handle_reject {
		meta l4proto tcp reject with tcp reset
		reject
	}
}
";

impl Lab {
    /// Starts the firewall.
    pub(crate) fn fw4_start(&self) {
        self.nft(FW4);
    }

    /// Stops the firewall: the table goes, and every element with it.
    pub(crate) fn fw4_stop(&self) {
        self.run(Place::Router, "nft", &["delete", "table", "inet", "fw4"]);
    }
}
