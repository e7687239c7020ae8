//! A ruleset as OpenWrt's fw4 prints it: its chains for lan, wan and as many more zones as are asked for.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fmt::Write as _;

/// What the owner of the router has added for wan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner {
    /// Rules of `input_wan`.
    pub(crate) input: &'static str,
    /// Rules of `forward_wan`.
    pub(crate) forward: &'static str,
    /// Rules of `dstnat_wan`.
    pub(crate) redirects: &'static str,
}

/// The ruleset, where the device of the zone wan is `wan`.
pub(crate) fn full(wan: &str, zones: usize, owner: Owner) -> String {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/files/usr/share/spa-knockd/nftables");
    let others: Vec<String> = (0..zones).map(|zone| format!("zone{zone}")).collect();
    let all: Vec<(&str, &str)> =
        [("lan", "br-lan"), ("wan", wan)].into_iter().chain(others.iter().map(|zone| (&**zone, &**zone))).collect();
    let jumps = |chain: &str, match_: &str| {
        all.iter().fold(String::new(), |mut text, (zone, device)| {
            writeln!(text, "{match_} \"{device}\" jump {chain}_{zone} comment \"!fw4: Handle {zone} traffic\"")
                .unwrap();
            text
        })
    };
    let mut text = format!(
        "table inet fw4 {{\ninclude \"{files}/table-pre.nft\"\n\
         chain input {{\ntype filter hook input priority filter; policy drop;\n\
         iif \"lo\" accept comment \"!fw4: Accept traffic from loopback\"\n\
         ct state vmap {{ established : accept, related : accept }} comment \"!fw4: Handle inbound flows\"\n\
         tcp flags & (fin | syn | rst | ack) == syn jump syn_flood comment \"!fw4: Rate limit TCP syn packets\"\n\
         {}jump handle_reject\n}}\n\
         chain forward {{\ntype filter hook forward priority filter; policy drop;\n\
         ct state vmap {{ established : accept, related : accept }} comment \"!fw4: Handle forwarded flows\"\n\
         {}jump handle_reject\n}}\n\
         chain syn_flood {{\nlimit rate 25/second burst 50 packets return comment \"!fw4: below\"\ndrop\n}}\n\
         chain handle_reject {{\nmeta l4proto tcp reject with tcp reset comment \"!fw4: Reject TCP traffic\"\n\
         reject comment \"!fw4: Reject any other traffic\"\n}}\n",
        jumps("input", "iifname"),
        jumps("forward", "iifname")
    );
    let mut dstnat = String::new();
    for (zone, device) in &all {
        let is_wan = *zone == "wan";
        let (mut input, mut forward) = (String::new(), String::new());
        if is_wan {
            write!(
                input,
                "include \"{files}/zone/input.nft\"\n\
                 meta nfproto ipv4 udp dport 68 counter accept comment \"!fw4: Allow-DHCP-Renew\"\n\
                 icmp type echo-request counter accept comment \"!fw4: Allow-Ping\"\n\
                 meta nfproto ipv4 meta l4proto igmp counter accept comment \"!fw4: Allow-IGMP\"\n\
                 meta nfproto ipv6 udp dport 546 counter accept comment \"!fw4: Allow-DHCPv6\"\n\
                 ip6 saddr fe80::/10 icmpv6 type . icmpv6 code {{ mld-listener-query . 0 }} counter accept comment \"!fw4: Allow-MLD\"\n\
                 icmpv6 type {{ destination-unreachable, time-exceeded, echo-request, echo-reply }} limit rate 1000/second counter accept comment \"!fw4: Allow-ICMPv6-Input\"\n\
                 {}\n",
                owner.input
            )
            .unwrap();
            write!(
                forward,
                "include \"{files}/zone/forward.nft\"\n\
                 meta l4proto esp counter jump accept_to_lan comment \"!fw4: Allow-IPSec-ESP\"\n\
                 udp dport 500 counter jump accept_to_lan comment \"!fw4: Allow-ISAKMP\"\n{}\n",
                owner.forward
            )
            .unwrap();
        }
        if is_wan && !owner.redirects.is_empty() {
            for chain in [&mut input, &mut forward] {
                chain.push_str("ct status dnat accept comment \"!fw4: Accept port redirections\"\n");
            }
            writeln!(
                dstnat,
                "iifname \"{device}\" jump dstnat_wan comment \"!fw4: Handle wan IPv4/IPv6 dstnat traffic\""
            )
            .unwrap();
            write!(text, "chain dstnat_wan {{\n{}\n}}\n", owner.redirects).unwrap();
        }
        let verdict = if is_wan { "jump reject_from_wan".to_owned() } else { format!("jump accept_from_{zone}") };
        let onward = if is_wan { "jump reject_to_wan".to_owned() } else { "jump accept_to_wan".to_owned() };
        let more = if is_wan || *zone == "lan" { 0 } else { 6 };
        for port in 0..more {
            writeln!(input, "tcp dport {} counter accept comment \"!fw4: Allow-{port}\"", 8000 + port).unwrap();
        }
        write!(
            text,
            "chain input_{zone} {{\n{input}{verdict}\n}}\n\
             chain forward_{zone} {{\n{forward}{onward} comment \"!fw4: Accept {zone} to wan forwarding\"\n}}\n\
             chain accept_from_{zone} {{\niifname \"{device}\" counter accept comment \"!fw4: accept {zone} IPv4/IPv6 traffic\"\n}}\n\
             chain accept_to_{zone} {{\nmeta nfproto ipv4 oifname \"{device}\" ct state invalid counter drop comment \"!fw4: Prevent NAT leakage\"\n\
             oifname \"{device}\" counter accept comment \"!fw4: accept {zone} IPv4/IPv6 traffic\"\n}}\n\
             chain reject_from_{zone} {{\niifname \"{device}\" counter jump handle_reject comment \"!fw4: reject {zone} IPv4/IPv6 traffic\"\n}}\n\
             chain reject_to_{zone} {{\noifname \"{device}\" counter jump handle_reject comment \"!fw4: reject {zone} IPv4/IPv6 traffic\"\n}}\n"
        )
        .unwrap();
    }
    write!(
        text,
        "chain dstnat {{\ntype nat hook prerouting priority dstnat; policy accept;\n\
         include \"{files}/chain-pre/dstnat.nft\"\n{dstnat}}}\n\
         chain srcnat {{\ntype nat hook postrouting priority srcnat; policy accept;\n\
         include \"{files}/chain-pre/srcnat.nft\"\n\
         oifname \"{wan}\" meta nfproto ipv4 masquerade comment \"!fw4: Masquerade IPv4 wan traffic\"\n}}\n\
         chain mangle_forward {{\ntype filter hook forward priority mangle; policy accept;\n\
         oifname \"{wan}\" tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu comment \"!fw4: Zone wan IPv4/IPv6 egress MTU fixing\"\n}}\n\
         chain raw_prerouting {{\ntype filter hook prerouting priority raw; policy accept;\n}}\n\
         chain mangle_prerouting {{\ntype filter hook prerouting priority mangle; policy accept;\n}}\n}}\n"
    )
    .unwrap();
    text
}
