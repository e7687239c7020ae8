//! Mistakes in `config spa-knockd 'main'`.

use super::{HMAC_KEY, KEY, demand, keyed, text};

#[test]
fn faults_of_main() {
    for (line, option, fragment) in [
        ("option enable '1'", "enable", "did you mean 'enabled'?"),
        ("option timeout '1'", "timeout", "it belongs to config access"),
        ("option colour 'red'", "colour", "there is no such option"),
        ("option max_age '1'\n\toption max_age '2'", "max_age", "in line 4"),
        ("list max_age '1'", "max_age", "no list"),
        ("option max_age '100001'", "max_age", "0 to 100000"),
        ("option max_age '-1'", "max_age", "0 to 100000"),
        ("option max_age '+1'", "max_age", "0 to 100000"),
        ("option max_age '1 '", "max_age", "0 to 100000"),
        ("option max_age '1e3'", "max_age", "0 to 100000"),
        ("option max_age '99999999999999999999'", "max_age", "0 to 100000"),
        ("option max_timeout '0'", "max_timeout", "1 to 8388608"),
        ("option max_timeout '8388609'", "max_timeout", "1 to 8388608"),
        ("option ring_kib '63'", "ring_kib", "64 to 65536"),
        ("option ring_kib '65537'", "ring_kib", "64 to 65536"),
        ("option log_level 'loud'", "log_level", "error, warn, info"),
        ("option firewall 'iptables'", "firewall", "'fw4' on OpenWrt"),
        ("list port '0'", "port", "1 to 65535"),
        ("list port '65536'", "port", "1 to 65535"),
        ("list port '200-100'", "port", "1 to 65535"),
        ("list port '1-2-3'", "port", "1 to 65535"),
        ("list port 'ssh'", "port", "1 to 65535"),
        ("list port '-5'", "port", "1 to 65535"),
        ("list protect 'tcp/0'\n\toption firewall 'standalone'", "protect", "1 to 65535"),
        ("list protect 'sctp/1'\n\toption firewall 'standalone'", "protect", "tcp or udp"),
        ("list device 'eth0/1'", "device", "no name of a network device"),
        ("list device 'eth 0'", "device", "no name of a network device"),
        ("list device '..'", "device", "no name of a network device"),
        ("list device 'sixteen-letters-'", "device", "no name of a network device"),
        ("list device 'a\u{1}b'", "device", "not printable"),
        ("list zone 'w;n'", "zone", "letters, digits"),
        ("list transport 'sctp'", "transport", "no such transport"),
        ("list transport 'HTTP'", "transport", "no such transport"),
        ("option tcp_listen '0'", "tcp_listen", "1 to 65535"),
        ("option tcp_listen '65536'", "tcp_listen", "1 to 65535"),
        ("option tcp_listen '80-81'", "tcp_listen", "1 to 65535"),
        ("list tcp_listen '80'", "tcp_listen", "no list"),
        ("option trust_forwarded_for '1'", "trust_forwarded_for", "list transport 'http'"),
        ("option any_user_agent '1'", "any_user_agent", "list transport 'http'"),
        ("option any_user_agent 'maybe'", "any_user_agent", "must be 1 or 0"),
        ("option jail 'maybe'", "jail", "must be 1 or 0"),
        ("option trust_forwarded_for 'maybe'", "trust_forwarded_for", "must be 1 or 0"),
        ("option log_level 'info'\n\toption log-level 'info'", "", "UCI names"),
    ] {
        let option = Some(option).filter(|option| !option.is_empty());
        let at = 4 + u32::try_from(line.matches("\n\toption").count()).unwrap();
        let at = if option.is_none() || line.contains("max_age '2'") { at } else { 4 };
        demand(
            &text(line, &format!("option key_base64 '{KEY}'\n\toption hmac_key_base64 '{HMAC_KEY}'")),
            Some(at),
            option,
            fragment,
        );
    }
    let many: String = (1..=33).map(|port| format!("list port '{port}'\n")).collect();
    demand(&keyed("").replace("list network 'wan'", &many), Some(35), Some("port"), "more than 32");
    let guarded = keyed("")
        .replace("list network 'wan'", "list network 'wan'\n\toption firewall 'standalone'\n\toption tcp_listen '22'");
    demand(&guarded, Some(1), None, "guards tcp/22");
}
