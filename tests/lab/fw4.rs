//! A firewall as OpenWrt's fw4 makes it for one WAN and one LAN, with the files that the package drops in.

use super::{Lab, Place};

/// The chains of fw4 that matter here, around our sets and rules.
pub(crate) const FW4: &str = concat!(
    "table inet fw4 {\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/table-pre.nft"),
    "
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		iifname lan accept
		iifname wan jump input_wan
		jump handle_reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/chain-pre/forward.nft"),
    "
		ct state established,related accept
		iifname lan accept
		iifname wan jump forward_wan
		jump handle_reject
	}
	chain output {
		type filter hook output priority filter; policy accept;\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/chain-pre/output.nft"),
    "
	}
	chain input_wan {\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/zone/input.nft"),
    "
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		jump handle_reject
	}
	chain forward_wan {\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/zone/forward.nft"),
    "
		jump handle_reject
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/chain-pre/dstnat.nft"),
    "
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;\n",
    include_str!("../../files/usr/share/spa-knockd/nftables/chain-pre/srcnat.nft"),
    "
	}
	chain handle_reject {
		meta l4proto tcp reject with tcp reset
		reject
	}
}
",
);

impl Lab {
    /// Starts the firewall.
    pub(crate) fn fw4_start(&self) {
        self.nft(FW4);
    }

    /// Starts the firewall without the lines that name this.
    pub(crate) fn fw4_start_without(&self, name: &str) {
        let lines = FW4.lines().filter(|line| !line.contains(name));
        self.nft(&lines.map(|line| format!("{line}\n")).collect::<String>());
    }

    /// Stops the firewall: the table goes, and every element with it.
    pub(crate) fn fw4_stop(&self) {
        self.run(Place::Router, "nft", &["delete", "table", "inet", "fw4"]);
    }
}
