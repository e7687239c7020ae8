//! Variables of fwknopd.conf.

use std::num::NonZeroU16;

use spa_knockd::capture::Transport;
use spa_knockd::config::Main;
use spa_knockd::knock::fwknop::http::Http;

use super::{KEYS, both, configuration, demand};

fn access() -> String {
    format!("SOURCE ANY\n{KEYS}OPEN_PORTS tcp/22\n")
}

fn main(server: &str) -> Main {
    configuration(&both(&access(), server).unwrap()).main
}

#[test]
fn the_daemon_is_switched_on_with_fwknops_defaults() {
    let main = main("");
    assert_eq!((main.networks.as_slice(), main.devices.len()), (&["wan".to_owned()][..], 0));
    assert_eq!((main.ports, main.max_age, main.max_timeout), (vec![62_201..=62_201], 120, 3600));
}

#[test]
fn devices_and_ports_move_over() {
    let server = "PCAP_INTF eth1;\nPCAP_FILTER udp port 4000 or udp dst portrange 10000-65535; # as before\nMAX_SPA_PACKET_AGE 300;\n";
    let found = main(server);
    assert_eq!((found.devices, found.networks.len()), (vec!["eth1".to_owned()], 0));
    assert_eq!((found.ports, found.max_age), (vec![4000..=4000, 10_000..=65_535], 300));
    for (server, port) in [
        ("ENABLE_UDP_SERVER Y\nUDPSERV_PORT 4001\nPCAP_FILTER udp port 4002\n", 4001),
        ("UDPSERV_PORT 4001\nPCAP_FILTER udp port 4002\n", 4002),
        ("UDPSERV_PORT 4001\n", 4001),
        ("ENABLE_UDP_SERVER N\nUDPSERV_PORT 4001\n", 62_201),
        ("ENABLE_NFQ_CAPTURE Y\nNFQ_PORT 4003\nNFQ_INTERFACE eth2\nPCAP_INTF eth1\n", 4003),
        ("ENABLE_NFQ_CAPTURE N\nNFQ_PORT 4003\n", 62_201),
    ] {
        assert_eq!(main(server).ports, [port..=port], "{server}");
    }
    assert_eq!(main("ENABLE_NFQ_CAPTURE Y\nNFQ_INTERFACE eth2\nPCAP_INTF eth1\n").devices, ["eth2"]);
}

#[test]
fn every_way_to_knock_moves_over() {
    use Transport::{Icmp, Tcp, Udp};
    let agent = Http { any_user_agent: true, trust_forwarded_for: false };
    let proxy = Http { any_user_agent: false, trust_forwarded_for: true };
    for (server, transports, http, listen) in [
        ("", vec![Udp], None, None),
        ("PCAP_FILTER udp port 1 or tcp port 1 or icmp\n", vec![Udp, Tcp, Icmp], None, None),
        ("PCAP_FILTER tcp dst port 1\n", vec![Tcp], None, None),
        ("ENABLE_SPA_OVER_HTTP Y\n", vec![Udp, Tcp], Some(Http::default()), None),
        ("ENABLE_SPA_OVER_HTTP Y\nALLOW_ANY_USER_AGENT Y\n", vec![Udp, Tcp], Some(agent), None),
        ("ENABLE_SPA_OVER_HTTP Y\nENABLE_X_FORWARDED_FOR Y\n", vec![Udp, Tcp], Some(proxy), None),
        ("ENABLE_SPA_OVER_HTTP N\nALLOW_ANY_USER_AGENT Y\nENABLE_X_FORWARDED_FOR Y\n", vec![Udp], None, None),
        ("ENABLE_TCP_SERVER Y\n", vec![Udp], None, Some(62201)),
        ("ENABLE_TCP_SERVER Y\nTCPSERV_PORT 80\nPCAP_FILTER tcp port 80\n", vec![Tcp], None, Some(80)),
        ("ENABLE_TCP_SERVER N\nTCPSERV_PORT 80\n", vec![Udp], None, None),
    ] {
        let main = main(server);
        assert_eq!((main.transports, main.http), (transports, http), "{server}");
        assert_eq!(main.tcp_listen.map(NonZeroU16::get), listen, "{server}");
    }
    let notes = both(&access(), "ALLOW_ANY_USER_AGENT Y\n").unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("without ENABLE_SPA_OVER_HTTP")), "{notes:?}");
    demand(both(&access(), "ENABLE_TCP_SERVER Y\nTCPSERV_PORT 0\n"), 2, Some("TCPSERV_PORT"), "1 to 65535");
}

#[test]
fn a_window_that_was_off_becomes_a_counter() {
    let imported = both(&access(), "ENABLE_SPA_PACKET_AGING N\nMAX_SPA_PACKET_AGE 60\n").unwrap();
    assert_eq!(configuration(&imported).main.max_age, 0);
    assert!(imported.uci.contains("# ENABLE_SPA_PACKET_AGING: N becomes max_age '0'"), "{}", imported.uci);
}

#[test]
fn what_cannot_be_honoured_is_named() {
    for (line, variable, fragment) in [
        ("ENABLE_PCAP_PROMISC Y", "ENABLE_PCAP_PROMISC", "not supported"),
        ("ENABLE_PCAP_ANY_DIRECTION Y", "ENABLE_PCAP_ANY_DIRECTION", "never looked at"),
        ("PCAP_FILE /tmp/x.pcap", "PCAP_FILE", "explain --pcap"),
        ("PCAP_INTF any", "PCAP_INTF", "no device"),
        ("PCAP_FILTER sctp port 62201", "PCAP_FILTER", "use UDPSERV_PORT"),
        ("PCAP_FILTER port 62201", "PCAP_FILTER", "use UDPSERV_PORT"),
        ("UDPSERV_PORT 0", "UDPSERV_PORT", "1 to 65535"),
        ("MAX_SPA_PACKET_AGE 0", "MAX_SPA_PACKET_AGE", "1 to 100000"),
        (
            "IPT_INPUT_ACCESS DROP, filter, INPUT, 1, FWKNOP_INPUT, 1",
            "IPT_INPUT_ACCESS",
            "iptables chains do not exist",
        ),
        ("FIREWD_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1", "FIREWD_INPUT_ACCESS", "not for firewalld"),
        ("IPFW_START_RULE_NUM 10000", "IPFW_START_RULE_NUM", "firewalls of BSD"),
        ("PF_ANCHOR_NAME fwknop", "PF_ANCHOR_NAME", "firewalls of BSD"),
        ("FAULT_INJECTION_TAG x", "FAULT_INJECTION_TAG", "own tests"),
        ("MAX_SPA_PACKET_AG 60", "MAX_SPA_PACKET_AG", "did you mean MAX_SPA_PACKET_AGE?"),
    ] {
        demand(both(&access(), &format!("# first line\n{line};\n")), 2, Some(variable), fragment);
    }
    demand(both(&access(), "MAX_SPA_PACKET_AGE\n"), 1, None, "no variable with a value");
    demand(both(&access(), "MAX_SPA_PACKET_AGE 100001\n"), 1, Some("MAX_SPA_PACKET_AGE"), "0 to 100000");
    demand(both(&access(), "\nPCAP_INTF eth0/1\n"), 2, Some("PCAP_INTF"), "no name of a network device");
    demand(both(&access(), "PCAP_FILTER udp portrange 9-1\n"), 1, Some("PCAP_FILTER"), "a range of them");
}

#[test]
fn what_changes_nobodys_access_is_at_most_a_note() {
    let server = "ENABLE_PCAP_PROMISC N;\nPCAP_LOOP_SLEEP 100000;\nENABLE_DIGEST_PERSISTENCE N;\nENABLE_NAT_DNS Y;\n\
                  ENABLE_IPT_FORWARDING N;\nENABLE_IPT_OUTPUT Y;\nIPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1;\n\
                  FWKNOP_RUN_DIR /var/run;\nFWKNOP_PID_FILE $FWKNOP_RUN_DIR/pid;\nVERBOSE 1;\nLOCALE C;\nBLACKLIST x;\nGPG_EXE /usr/bin/gpg;\n";
    let imported = both(&access(), server).unwrap();
    assert_eq!(configuration(&imported).main, main(""));
    for note in ["PCAP_LOOP_SLEEP: ", "ENABLE_DIGEST_PERSISTENCE: N is not imported", "BLACKLIST: was never read"] {
        assert!(imported.notes.iter().any(|found| found.starts_with(note)), "{note}\n{:#?}", imported.notes);
        assert!(imported.uci.contains(&format!("\n# {note}")), "{}", imported.uci);
    }
}

#[test]
fn the_chains_of_the_shipped_sample_are_no_mistake() {
    let chain = |name: &str, target: &str, table: &str, from: &str, own: &str| {
        format!("IPT_{name}_ACCESS  {target}, {table}, {from}, 1, FWKNOP_{own}, 1;\n")
    };
    let server = [
        chain("INPUT", "ACCEPT", "filter", "INPUT", "INPUT"),
        chain("OUTPUT", "ACCEPT", "filter", "OUTPUT", "OUTPUT"),
        chain("FORWARD", "ACCEPT", "filter", "FORWARD", "FORWARD"),
        chain("DNAT", "DNAT", "nat", "PREROUTING", "PREROUTING"),
        chain("SNAT", "SNAT", "nat", "POSTROUTING", "POSTROUTING"),
        chain("MASQUERADE", "MASQUERADE", "nat", "POSTROUTING", "MASQUERADE"),
    ];
    let imported = both(&access(), &server.concat()).unwrap();
    assert_eq!(configuration(&imported).main.ports, [62_201..=62_201]);
}
