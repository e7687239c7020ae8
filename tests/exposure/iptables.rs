//! Rules of iptables-nft in the kernel, and what the look says of them.

use spa_knockd::firewall::exposure::At;

use super::look;
use super::netns::{alone, load, run};

#[test]
fn the_rules_of_iptables_are_understood_or_it_says_so() {
    alone(|| {
        let inside = At::Outside("192.168.1.10:22".parse().unwrap());
        let unsure = "of iptables-nft is not understood";
        for (rules, at, open, not_examined) in [
            // Ways to the guarded host behind the router, as Docker publishes its ports.
            (
                &["-t nat -A PREROUTING -p tcp --dport 8022 -j DNAT --to 192.168.1.10:22"][..],
                inside,
                "tcp/8022 leads everybody on wan0 over IPv4 to 192.168.1.10:22",
                "",
            ),
            (
                &[
                    "-t nat -N DOCKER",
                    "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
                    "-t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8022 -j DNAT --to-destination 192.168.1.10:22",
                ],
                inside,
                "tcp/8022 leads everybody on wan0 over IPv4 to 192.168.1.10:22",
                "",
            ),
            (&["-t nat -A PREROUTING -i eth7 -p tcp --dport 8022 -j DNAT --to 192.168.1.10:22"], inside, "", ""),
            (&["-t nat -A PREROUTING -p tcp --dport 8022 -j DNAT --to 192.168.1.11:22"], inside, "", ""),
            (
                &["-t nat -A PREROUTING -p tcp --dport 8022 -m recent --name x --rcheck -j DNAT --to 192.168.1.10:22"],
                inside,
                "",
                "whether tcp/8022 leads to a guarded one on wan0 cannot be told: ",
            ),
            (
                &["-t nat -A PREROUTING -p tcp --dport 22 -j NETMAP --to 192.168.1.0/24", "-P INPUT DROP"],
                At::Router,
                "",
                "whether tcp/22 is open on wan0 cannot be told: ",
            ),
            (
                &[
                    "-P INPUT DROP",
                    "-A INPUT -p tcp --dport 2200 -j ACCEPT",
                    "-t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2200",
                ],
                At::Router,
                "tcp/22 leads everybody on wan0 over IPv4 to port 2200",
                "",
            ),
            (
                &["-P INPUT DROP", "-t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2201"],
                At::Router,
                "",
                "",
            ),
            // Ports of the router.
            (
                &[
                    "-P INPUT DROP",
                    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                    "-A INPUT -p tcp -m multiport --dports 22,2200 -j ACCEPT",
                ],
                At::Router,
                "over IPv4: rule (ip filter INPUT",
                "",
            ),
            (
                &["-P INPUT DROP", "-A INPUT -p tcp -m multiport --dports 20:25,2200 -j ACCEPT"],
                At::Router,
                "tcp/22 is open",
                "",
            ),
            (&["-P INPUT DROP", "-A INPUT -p tcp -m multiport ! --dports 22,2200 -j ACCEPT"], At::Router, "", ""),
            (&["-P INPUT DROP", "-A INPUT -p tcp -m multiport --dports 23:25,2200 -j ACCEPT"], At::Router, "", ""),
            (
                &["-P INPUT DROP", "-A INPUT -m conntrack --ctstate NEW -p tcp --dport 22 -j ACCEPT"],
                At::Router,
                "tcp/22 is open",
                "",
            ),
            (
                &[
                    "-P INPUT DROP",
                    "-A INPUT -p tcp --dport 22 -m string --algo bm --string x -j ACCEPT",
                    "-A INPUT -p tcp -m recent --name x --rcheck -j ACCEPT",
                ],
                At::Router,
                "",
                unsure,
            ),
            (
                &["-P INPUT DROP", "-A INPUT -p tcp --dport 23 -m recent --name x --rcheck -j ACCEPT"],
                At::Router,
                "",
                "",
            ),
            (
                &["-A INPUT -m recent --name x --rcheck -j ACCEPT", "-A INPUT -p tcp --dport 22 -j REJECT"],
                At::Router,
                "",
                unsure,
            ),
            (
                &["-P INPUT DROP", "-N MINE", "-A INPUT -m recent --name x --rcheck -j MINE", "-A MINE -j ACCEPT"],
                At::Router,
                "",
                unsure,
            ),
        ] {
            // Of IPv6 nothing is asked here.
            load("table ip6 t {\nchain in {\ntype filter hook input priority filter; policy drop;\n}\n}\n");
            for rule in rules {
                run("iptables-nft", rule);
            }
            let found = look(at);
            let (lines, notes) = (found.open.iter().map(ToString::to_string).collect::<Vec<_>>(), found.not_examined);
            assert_eq!(
                (lines.len(), notes.len()),
                (usize::from(!open.is_empty()), usize::from(!not_examined.is_empty())),
                "{rules:?}: {lines:?} {notes:?}"
            );
            assert!(lines.iter().all(|line| line.contains(open)), "{rules:?}: {lines:?}");
            assert!(
                notes.iter().all(|note| note.contains(not_examined) && note.contains(unsure)),
                "{rules:?}: {notes:?}"
            );
            // Where another chain closes in any case, nothing is in doubt.
            if lines.is_empty() && at == At::Router {
                load("table ip z {\nchain in {\ntype filter hook input priority 10; policy drop;\n}\n}\n");
                let is_elsewhere = rules.iter().any(|rule| rule.contains("PREROUTING"));
                assert!(is_elsewhere || look(at).not_examined.is_empty(), "{rules:?}");
            }
            run("nft", "flush ruleset");
        }
    });
}
