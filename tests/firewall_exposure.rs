//! Is a guarded port open already? Rulesets of all shapes in the kernel, and what the walk says of them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

#[path = "exposure/iptables.rs"]
mod exposure_of_iptables;
#[path = "exposure/modes.rs"]
mod exposure_of_modes;
#[path = "netns/fw4_full.rs"]
mod fw4_full;
mod netns;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Instant;

use netns::{alone, fw4, load, run};
use spa_knockd::firewall::Guard;
use spa_knockd::firewall::exposure::{At, Examined, Guarded, Surroundings, Way, examine};

/// Looks at TCP 22 of the router, for whoever arrives on wan0.
fn look(at: At) -> Examined {
    foresee(at, None)
}

/// The same with the guard that a configuration would make.
fn foresee(at: At, planned: Option<&Guard>) -> Examined {
    let port = "tcp/22".parse().unwrap();
    let own: Vec<IpAddr> = ["203.0.113.1", "192.168.1.1", "2001:db8:1::1"].map(|own| own.parse().unwrap()).to_vec();
    let way = |address: IpAddr| {
        let inside = ["192.168.1.10", "2001:db8:2::10"].map(|host| host.parse::<IpAddr>().unwrap());
        match own.contains(&address) {
            true => Way::Own,
            false if inside.contains(&address) => Way::Out("br-lan".into()),
            false => Way::Unknown,
        }
    };
    let index = |name: &str| (name == "wan0").then_some(7);
    let surroundings = Surroundings { own: &own, way: &way, index: &index, planned };
    examine(&["wan0".to_owned()], &[Guarded { port, at }], &surroundings).unwrap()
}

/// What is said of a ruleset, one line for each finding.
fn said(ruleset: &str) -> Vec<String> {
    if !ruleset.is_empty() {
        load(ruleset);
    }
    let examined = look(At::Router);
    if !ruleset.is_empty() {
        run("nft", "flush ruleset");
    }
    let open = examined.open.iter().map(ToString::to_string);
    open.chain(examined.not_examined).collect()
}

/// An input chain with these rules and this policy, after other parts of the table.
fn input(parts: &str, policy: &str, rules: &str) -> String {
    format!(
        "table inet t {{\n{parts}\nchain in {{\ntype filter hook input priority filter; policy {policy};\n\
         iif lo accept\nct state vmap {{ established : accept, related : accept }}\n{rules}\n}}\n}}\n"
    )
}

/// A drop policy unless a rule accepts.
fn rules(rules: &str) -> String {
    input("", "drop", rules)
}

#[test]
fn each_ruleset_is_open_or_not() {
    alone(|| {
        let zone = "chain zone {\nct state new tcp dport { 22, 443 } counter accept comment \"ssh\"\n}\n";
        let reject = "chain zone {\nreject\n}\n";
        let named = "set ports { type inet_service; flags interval; elements = { 20-25, 80 } }\n";
        let other = "set ports { type inet_service; flags interval; elements = { 10-21, 23-80 } }\n";
        let friends = "set friends { type ipv4_addr; elements = { 192.0.2.1 } }\n";
        let pairs =
            "set pairs { type inet_proto . inet_service; flags interval; elements = { tcp . 20-30, udp . 1-9 } }\n";
        let doors = "set doors { type ifname . inet_service; elements = { \"wan0\" . 22 } }\n";
        let second = |verdict: &str| {
            format!(
                "table ip u {{\nchain late {{\ntype filter hook input priority 10; policy accept;\n{verdict}\n}}\n}}\n"
            ) + &format!(
                "table ip6 u {{\nchain late {{\ntype filter hook input priority 10; policy accept;\n{verdict}\n}}\n}}\n"
            )
        };
        let both = "is open to everybody on wan0: ";
        let closed = "";
        for (name, ruleset, expected) in [
            ("plain accept", rules("tcp dport 22 accept"), both),
            (
                "a comment",
                rules("tcp dport 22 accept comment \"!fw4: Allow-SSH\""),
                "rule \"!fw4: Allow-SSH\" (inet t in, handle",
            ),
            ("another port", rules("tcp dport 23 accept"), closed),
            ("udp is not tcp", rules("udp dport 22 accept"), closed),
            ("any transport", rules("th dport 22 accept"), both),
            ("anonymous set", rules("tcp dport { 22, 80 } accept"), both),
            ("anonymous set without it", rules("tcp dport { 23, 80 } accept"), closed),
            ("not in a set", rules("tcp dport != { 23, 80 } accept"), both),
            ("a range", rules("tcp dport 20-30 accept"), both),
            ("a range beside it", rules("tcp dport 23-30 accept"), closed),
            ("not in a range", rules("tcp dport != 20-30 accept"), closed),
            ("all ports", rules("tcp dport 1-65535 accept"), both),
            ("all ports of a set", rules("tcp dport { 1-21, 22-65535 } accept"), both),
            ("all of tcp", rules("meta l4proto tcp accept"), both),
            ("ip protocol", rules("ip protocol tcp accept"), "everybody on wan0 over IPv4: "),
            ("ip6 nexthdr", rules("ip6 nexthdr tcp accept"), "everybody on wan0 over IPv6: "),
            ("nfproto", rules("meta nfproto ipv6 tcp dport 22 accept"), "everybody on wan0 over IPv6: "),
            ("verdict map", rules("tcp dport vmap { 22 : accept, 80 : drop }"), both),
            ("verdict map that drops", rules("tcp dport vmap { 22 : drop, 80 : accept }\ntcp dport 22 accept"), closed),
            ("verdict map of intervals", rules("tcp dport vmap { 1-21 : drop, 22-99 : accept }"), both),
            ("device", rules("iifname wan0 tcp dport 22 accept"), both),
            ("other device", rules("iifname br-lan accept"), closed),
            ("not that device", rules("iifname != br-lan tcp dport 22 accept"), both),
            ("device wildcard", rules("iifname \"wan*\" tcp dport 22 accept"), both),
            ("device wildcards of a set", rules("iifname { \"wan*\", \"eth*\" } tcp dport 22 accept"), both),
            ("other wildcards of a set", rules("iifname { \"w0*\", \"eth*\" } tcp dport 22 accept"), closed),
            ("jump", input(zone, "drop", "iifname wan0 jump zone"), "rule \"ssh\" (inet t zone, handle"),
            (
                "jump by the port",
                input("chain ok {\naccept\n}\n", "drop", "tcp dport 22 jump ok comment \"it\""),
                "rule \"it\" (inet t in",
            ),
            ("zones by a map", input(zone, "drop", "iifname vmap { wan0 : jump zone, br-lan : accept }"), "\"ssh\""),
            ("goto and back", input("chain none {\n}\n", "drop", "goto none\ntcp dport 22 accept"), closed),
            ("jump and back", input("chain none {\nreturn\ndrop\n}\n", "drop", "jump none\ntcp dport 22 accept"), both),
            ("return to the policy", rules("tcp dport 22 return\ntcp dport 22 accept"), closed),
            ("some sources", rules("ip saddr 192.0.2.0/24 tcp dport 22 accept"), closed),
            ("sources of a set", input(friends, "drop", "ip saddr @friends tcp dport 22 accept"), closed),
            ("source and port", rules("ip saddr . tcp dport { 192.0.2.1 . 22 } accept"), closed),
            ("some are dropped", rules("ip saddr 192.0.2.0/24 drop\ntcp dport 22 accept"), both),
            ("all but some", input(friends, "drop", "ip saddr != @friends drop\ntcp dport 22 accept"), "over IPv6: "),
            ("any source", rules("ip saddr 0.0.0.0/0 tcp dport 22 accept"), "over IPv4: "),
            ("established only", rules("ct state established,related tcp dport 22 accept"), closed),
            ("new", rules("ct state new tcp dport 22 accept"), both),
            ("not invalid", rules("ct state != invalid tcp dport 22 accept"), both),
            ("drop before accept", rules("tcp dport 22 drop\ntcp dport 22 accept"), closed),
            ("a rate", rules("tcp dport 22 limit rate 3/minute accept"), both),
            ("beyond a rate", rules("tcp dport 22 limit rate over 3/minute drop\ntcp dport 22 accept"), both),
            ("a rate for each", rules("tcp dport 22 meter m { ip saddr limit rate 3/minute } accept"), "over IPv4: "),
            (
                "syn flood",
                input(
                    "chain syn {\nlimit rate 25/second return\ndrop\n}\n",
                    "drop",
                    "tcp flags & (fin|syn|rst|ack) == syn jump syn\ntcp dport 22 accept",
                ),
                both,
            ),
            (
                "policy",
                input("", "accept", ""),
                "no rule closes it, and the policy of chain inet t in is accept; close it",
            ),
            ("policy with a reject", input("", "accept", "tcp dport 22 reject with tcp reset"), closed),
            ("reject at the end", input("", "accept", "tcp dport 80 accept\nreject"), closed),
            ("another chain drops", rules("tcp dport 22 accept") + &second("tcp dport 22 drop"), closed),
            ("another chain accepts", rules("tcp dport 22 accept") + &second(""), both),
            ("another chain does not", input("", "accept", "") + &second("drop"), closed),
            ("named set", input(named, "drop", "tcp dport @ports accept"), both),
            ("named set beside it", input(other, "drop", "tcp dport @ports accept"), closed),
            ("concatenation", rules("iifname . tcp dport { wan0 . 22 } accept"), both),
            ("other concatenation", rules("iifname . tcp dport { br-lan . 22 } accept"), closed),
            ("named concatenation", input(doors, "drop", "iifname . tcp dport @doors accept"), both),
            ("concatenated intervals", input(pairs, "drop", "meta l4proto . th dport @pairs accept"), both),
            ("one's own address", rules("ip daddr 203.0.113.1 tcp dport 22 accept"), "over IPv4: "),
            ("another own address", rules("ip daddr 192.168.1.1 tcp dport 22 accept"), "over IPv4: "),
            ("nobody's address", rules("ip daddr 198.51.100.9 tcp dport 22 accept"), closed),
            ("local", rules("fib daddr type local tcp dport 22 accept"), both),
            ("reverse path", rules("fib saddr . iif oif missing drop\ntcp dport 22 accept"), both),
            ("a client's port", rules("tcp sport 1024-65535 tcp dport 22 accept"), both),
            ("direction", rules("ct direction original tcp dport 22 accept"), both),
            ("a mark", rules("meta mark 0x1 tcp dport 22 accept"), closed),
            ("a mark that a rule sets", rules("tcp dport 22 meta mark set 0x1\nmeta mark 0x1 accept"), both),
            ("masked mark", rules("meta mark & 0xff == 0x0 tcp dport 22 accept"), both),
            ("log and go on", rules("log prefix \"x\" counter\ntcp dport 22 log accept"), both),
            ("a socket's", rules("socket transparent 1 accept"), closed),
            ("a random half", rules("numgen random mod 2 vmap { 0 : accept, 1 : drop }"), closed),
            ("not tracked", rules("ct state untracked accept\ntcp dport 22 reject"), closed),
            ("sctp", rules("sctp dport 22 accept"), closed),
            (
                "dormant",
                rules("tcp dport 22 drop").replace("table inet t {", "table inet t {\nflags dormant;\n"),
                "nothing filters it",
            ),
            ("no rules at all", String::new(), "nothing filters it"),
            ("zone that rejects", input(reject, "accept", "iifname wan0 jump zone\ntcp dport 22 accept"), closed),
        ] {
            let said = said(&ruleset);
            if expected.is_empty() {
                assert_eq!(said, [""; 0], "{name}");
            } else {
                assert_eq!(said.len(), 1, "{name}: {said:?}");
                assert!(
                    said[0].starts_with("tcp/22 is open to everybody on wan0") && said[0].contains(expected),
                    "{name}: {said:?}"
                );
            }
        }
    });
}

#[test]
fn a_translation_leads_round_the_guard() {
    alone(|| {
        let nat = |rule: &str, forward: &str| {
            format!(
                "table inet t {{\nchain pre {{\ntype nat hook prerouting priority dstnat; policy accept;\n{rule}\n}}\n\
                 chain in {{\ntype filter hook input priority filter; policy drop;\ntcp dport 2200 accept\n}}\n\
                 chain forward {{\ntype filter hook forward priority filter; policy drop;\n{forward}\n}}\n}}\n"
            )
        };
        let everybody = "tcp dport 22 dnat ip to 192.168.1.10:2222 comment \"mine\"";
        for (name, rule, forward, expected) in [
            (
                "translated",
                everybody,
                "ct status dnat accept",
                "to 192.168.1.10:2222: rule \"mine\" (inet t pre, handle",
            ),
            ("translated port", everybody, "tcp dport 2222 accept", "redirects it, rule (inet t forward, handle"),
            ("not forwarded", everybody, "", ""),
            ("another port forwarded", everybody, "tcp dport 22 accept", ""),
            ("by device", everybody, "iifname wan0 oifname br-lan accept", "over IPv4 to 192.168.1.10:2222"),
            ("other device", everybody, "oifname eth7 accept", ""),
            ("to one's own source", "ip saddr 192.0.2.9 tcp dport 22 dnat ip to 192.168.1.10", "accept", ""),
            ("without a port", "tcp dport 22 dnat ip to 192.168.1.10", "accept", "to 192.168.1.10:22"),
            (
                "by a map",
                "dnat ip to tcp dport map { 22 : 192.168.1.10, 23 : 192.168.1.11 }",
                "accept",
                "192.168.1.10:22",
            ),
            (
                "by a map of both",
                "dnat ip to tcp dport map { 22 : 192.168.1.10 . 2222, 23 : 192.168.1.11 . 9 }",
                "accept",
                "192.168.1.10:2222",
            ),
            ("another port", "tcp dport 23 dnat ip to 192.168.1.10", "accept", ""),
            (
                "redirect",
                "tcp dport 22 redirect to :2200",
                "",
                "leads everybody on wan0 to port 2200 of this machine: rule",
            ),
            ("redirect to a closed port", "tcp dport 22 redirect to :2201", "", ""),
            ("original port", everybody, "meta l4proto tcp ct original proto-dst 22 accept", "192.168.1.10:2222"),
            ("own address", "fib daddr type local tcp dport 22 redirect to :2200", "", "port 2200"),
            ("first one counts", "tcp dport 22 redirect to :2201\ntcp dport 22 redirect to :2200", "", ""),
        ] {
            let said = said(&nat(rule, forward));
            let is_good = match expected {
                "" => said.is_empty(),
                words => said.len() == 1 && said[0].starts_with("tcp/22 leads everybody") && said[0].contains(words),
            };
            assert!(is_good, "{name}: {said:?}");
        }
        // Only where it leads to another host is it an outside port.
        let outside = At::Outside("192.168.1.10:22".parse().unwrap());
        load(&nat("tcp dport 22 redirect to :2200", ""));
        assert_eq!(look(outside).open, []);
        run("nft", "flush ruleset");
        load(&nat(everybody, "ct status dnat accept"));
        assert_eq!(look(outside).open.len(), 1);
        run("nft", "flush ruleset");
        // Another port leads to what is guarded.
        let other =
            |to: &str| nat(&format!("tcp dport 2222 {to}"), "ct status dnat accept").replace("dport 2200", "dport 22");
        for (to, at, words) in [
            ("dnat ip to 192.168.1.10:22", outside, "tcp/2222 leads everybody on wan0 over IPv4 to 192.168.1.10:22: "),
            ("dnat ip to 192.168.1.10:23", outside, ""),
            ("redirect to :22", outside, ""),
            ("redirect to :22", At::Outside("192.168.1.11:22".parse().unwrap()), ""),
        ] {
            load(&other(to).replace("tcp dport 22 accept", ""));
            let open = look(at).open;
            run("nft", "flush ruleset");
            assert_eq!(open.len(), usize::from(!words.is_empty()), "{to}: {open:?}");
            assert!(open.iter().all(|one| one.to_string().starts_with(words)), "{to}: {open:?}");
        }
        load(&other("redirect to :22"));
        let open: Vec<_> = look(At::Router).open.iter().map(ToString::to_string).collect();
        assert_eq!(open.len(), 2, "{open:?}");
        assert!(open[0].starts_with("tcp/22 is open") && open[1].starts_with("tcp/2222 leads everybody"), "{open:?}");
    });
}

#[test]
fn a_host_behind_the_router_is_reached_by_forward() {
    alone(|| {
        let forward = |rules: &str| {
            format!(
                "table inet t {{\nchain to_lan {{\noifname br-lan counter accept\n}}\nchain f {{\ntype filter hook forward priority filter; policy drop;\n{rules}\n}}\n}}\n"
            )
        };
        let host = At::Host("2001:db8:2::10".parse().unwrap());
        for (rules, open) in [
            ("tcp dport 22 accept", true),
            ("tcp dport 22 jump to_lan comment \"!fw4: in\"", true),
            ("ip6 daddr 2001:db8:2::10 tcp dport 22 accept", true),
            ("ip6 daddr 2001:db8:2::11 tcp dport 22 accept", false),
            ("fib daddr type local accept", false),
            ("ip daddr 192.168.1.10 accept", false),
            ("oifname eth9 accept", false),
        ] {
            load(&forward(rules));
            let found = look(host);
            run("nft", "flush ruleset");
            assert_eq!(found.open.len(), usize::from(open), "{rules}: {found:?}");
            for finding in found.open {
                assert_eq!(finding.families, ["ipv6"]);
                assert!(
                    finding
                        .to_string()
                        .starts_with("tcp/22 of 2001:db8:2::10 is open to everybody on wan0 over IPv6: ")
                );
                assert!(!rules.contains("fw4") || finding.to_string().contains("\"!fw4: in\""), "{finding}");
            }
        }
    });
}

#[test]
fn what_is_large_costs_little_and_what_is_not_understood_is_said() {
    alone(|| {
        let mut addresses = String::new();
        for index in 0..100_000_u32 {
            write!(addresses, "{},", std::net::Ipv4Addr::from(0x0a00_0000 + index)).unwrap();
        }
        let many: String = (0..5_000_u32).map(|port| format!("{},", 2 * port + 30)).collect();
        load(&input(
            &format!(
                "set bans {{ type ipv4_addr; elements = {{ {addresses} }} }}\nset many {{ type inet_service; elements = {{ {many} }} }}\n"
            ),
            "drop",
            "ip saddr @bans drop\ntcp dport @many accept\ntcp dport 22 accept",
        ));
        let begin = Instant::now();
        let found = look(At::Router);
        eprintln!("a list of 100,000 addresses: {:?}", begin.elapsed());
        assert!(begin.elapsed().as_millis() < 100, "{:?}", begin.elapsed());
        assert_eq!((found.open.len(), found.not_examined.len()), (1, 1), "{found:?}");
        assert!(found.not_examined[0].contains("set many of table t"), "{found:?}");
        assert_eq!(found.sets.iter().filter(|name| !name.starts_with("__")).count(), 1);
        run("nft", "flush ruleset");
        // A closing rule that hangs on it leaves nothing to be said for certain.
        load(&input(
            &format!("set many {{ type inet_service; elements = {{ {many} }} }}\n"),
            "accept",
            "tcp dport @many drop",
        ));
        let found = look(At::Router);
        assert_eq!(found.open, []);
        assert!(found.not_examined.iter().any(|line| line.contains("cannot be told")), "{found:?}");
    });
}

#[test]
fn a_ruleset_beyond_all_bounds_is_not_examined() {
    alone(|| {
        let many = "tcp dport 99 accept\n".repeat(5_000);
        load(&rules(&many));
        let surroundings = Surroundings { own: &[], way: &|_| Way::Unknown, index: &|_| None, planned: None };
        let guarded = [Guarded { port: "tcp/22".parse().unwrap(), at: At::Router }];
        let refused = examine(&["wan0".to_owned()], &guarded, &surroundings).unwrap_err();
        assert_eq!(refused.to_string(), "the living ruleset was not examined: it has too many rules");
        run("nft", "flush ruleset");
        load(&rules(&"tcp dport 99 accept\n".repeat(2_000)));
        let begin = Instant::now();
        assert_eq!(look(At::Router).open, []);
        eprintln!("2,000 rules in a row: {:?}", begin.elapsed());
        run("nft", "flush ruleset");
        // Rules that go round in a maze end with the budget.
        let mut maze = String::new();
        for level in (0..12).rev() {
            let next = if level == 11 { "counter\n".to_owned() } else { format!("jump c{}\n", level + 1).repeat(4) };
            write!(maze, "chain c{level} {{\n{next}}}\n").unwrap();
        }
        load(&input(&maze, "accept", "jump c0"));
        let begin = Instant::now();
        let found = look(At::Router);
        eprintln!("a walk to the end of the budget: {:?}", begin.elapsed());
        assert!(begin.elapsed().as_millis() < 500, "{:?}", begin.elapsed());
        assert!(found.open.is_empty() && found.not_examined[0].contains("too long"), "{found:?}");
    });
}

#[test]
fn the_guard_of_either_mode_closes() {
    alone(|| {
        load(&fw4());
        assert_eq!(look(At::Router), Examined { has_fw4: true, ..look(At::Router) });
        assert_eq!(look(At::Router).open, []);
        run("nft", "insert rule inet fw4 input_wan tcp dport 22 counter accept comment \"!fw4:_Allow-SSH\"");
        let found = look(At::Router);
        assert!(
            found.open[0].to_string().contains("rule \"!fw4:_Allow-SSH\" (inet fw4 input_wan, handle"),
            "{found:?}"
        );
        run("nft", "flush ruleset");
        let guard = netns::guard();
        load(&spa_knockd::firewall::script(spa_knockd::config::FirewallMode::Standalone, &guard));
        assert_eq!(look(At::Router), Examined::default());
        load(
            "table ip x {\nchain pre {\ntype nat hook prerouting priority -150; policy accept;\ntcp dport 22 redirect to :2200\n}\n}\n",
        );
        let found = look(At::Router);
        assert!(found.open[0].to_string().contains("leads everybody on wan0 over IPv4 to port 2200"), "{found:?}");
        // What leads to another host is closed on its way.
        run("nft", "flush table ip x");
        let elsewhere = "tcp dport 22 dnat to 192.168.1.10:2222";
        run("nft", &format!("add rule ip x pre {elsewhere}"));
        assert_eq!(look(At::Router).open, []);
        run("nft", "delete table inet spa_knockd");
        assert!(look(At::Router).open.iter().any(|one| one.redirect.is_some()));
    });
}

#[test]
fn thousands_of_guarded_ports_cost_no_more_than_the_budget() {
    alone(|| {
        let many: Vec<Guarded> =
            (1..=9_000).map(|port| Guarded { port: format!("tcp/{port}").parse().unwrap(), at: At::Router }).collect();
        let own: Vec<IpAddr> = (1..9).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        let surroundings = Surroundings { own: &own, way: &|_| Way::Unknown, index: &|_| None, planned: None };
        let devices: Vec<String> = (0..40).map(|index| format!("eth{index}")).collect();
        for ruleset in ["", "table inet t {\nchain in {\ntype filter hook input priority 0; policy drop;\n}\n}\n"] {
            load(ruleset);
            let begin = Instant::now();
            let found = examine(&devices, &many, &surroundings).unwrap();
            eprintln!("9,000 ports on 40 devices: {:?}", begin.elapsed());
            assert!(begin.elapsed().as_millis() < 1_000, "{:?}", begin.elapsed());
            let notes = found.not_examined.join("\n");
            assert!(notes.contains("the last 7976 of 9000 guarded ports"), "{notes}");
            assert!(notes.contains("the walks through the rules are too long"), "{notes}");
        }
    });
}

#[test]
fn a_whole_fw4_is_looked_through_in_a_few_milliseconds() {
    alone(|| {
        use fw4_full::{Owner, full};
        let ssh = Owner { input: "tcp dport 22 counter accept comment \"!fw4: Allow-SSH\"", ..Owner::default() };
        let redirect = Owner {
            redirects: "meta nfproto ipv4 tcp dport 22 counter dnat to 192.168.1.10:22 comment \"!fw4: nas\"",
            ..Owner::default()
        };
        let forward = Owner {
            forward: "ip6 daddr 2001:db8:2::10 tcp dport 22 counter jump accept_to_lan comment \"!fw4: in\"",
            ..Owner::default()
        };
        let host = At::Host("2001:db8:2::10".parse().unwrap());
        for (owner, at, words) in [
            (Owner::default(), At::Router, &[][..]),
            (Owner::default(), host, &[]),
            (ssh, At::Router, &["tcp/22 is open to everybody on wan0: rule \"!fw4: Allow-SSH\" (inet fw4 input_wan"]),
            (
                redirect,
                At::Router,
                &["over IPv4 to 192.168.1.10:22: rule \"!fw4: nas\" (inet fw4 dstnat_wan", "Accept port redirections"],
            ),
            (forward, host, &["over IPv6: rule \"!fw4: in\" (inet fw4 forward_wan"]),
        ] {
            load(&full("wan0", 18, owner));
            let begin = Instant::now();
            let found = look(at);
            let took = begin.elapsed();
            let many: Vec<Guarded> = (1_000..1_010)
                .map(|port| Guarded { port: format!("tcp/{port}").parse().unwrap(), at: At::Router })
                .collect();
            let surroundings = Surroundings { own: &[], way: &|_| Way::Unknown, index: &|_| None, planned: None };
            let begin = Instant::now();
            let none = examine(&["wan0".to_owned(), "eth7".to_owned()], &many, &surroundings).unwrap();
            eprintln!("ten ports on two devices: {:?}", begin.elapsed());
            assert_eq!((none.open, none.not_examined), (Vec::new(), Vec::new()));
            let count = run("nft", "-a list ruleset").matches("# handle").count();
            run("nft", "flush ruleset");
            eprintln!("{count} rules and chains: {took:?}");
            assert!(count > 300, "{count}");
            assert!(took.as_millis() < 100, "{took:?}");
            assert_eq!(found.open.len(), usize::from(!words.is_empty()), "{found:?}");
            assert_eq!(found.not_examined, [""; 0]);
            for (finding, word) in found.open.iter().flat_map(|finding| words.iter().map(move |word| (finding, word))) {
                assert!(finding.to_string().contains(word), "{finding}");
            }
        }
    });
}
