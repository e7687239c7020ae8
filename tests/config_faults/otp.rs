//! Mistakes in `config otp`.

use super::{check, demand, keyed, load_text};

/// A configuration with nothing but a section of one-time passwords, with these lines from line 7 on.
pub(super) fn section(lines: &str) -> String {
    format!(
        "config spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n\nconfig otp 'alice'\n\
         \tlist open 'tcp/22'\n\t{lines}\n"
    )
}

#[test]
fn a_section_alone_is_a_configuration() {
    let loaded = load_text(&section("")).unwrap();
    assert_eq!((loaded.warnings.len(), loaded.config.access.len(), loaded.config.otp.len()), (0, 0, 1));
    let names: Vec<_> = loaded.config.stanzas().map(|access| access.name.as_str()).collect();
    assert_eq!(names, ["alice"]);
    demand(&section("option enabled '0'"), None, None, "no access section");
}

#[test]
fn faults_of_a_section_of_one_time_passwords() {
    for (line, option, fragment) in [
        ("option timeot '1'", "timeot", "did you mean 'timeout'?"),
        ("option key 'OpenSesame'", "key", "belongs to config access"),
        ("option max_age '1'", "max_age", "belongs to config spa-knockd 'main'"),
        ("option timeout '0'", "timeout", "1 to 8388608"),
        ("list open 'any'", "open", "cannot show 'any'"),
        ("list open '22'", "open", "tcp/22 or udp/1194"),
        ("list open 'tcp/20-25'", "open", "is more than one port"),
        ("list forward 'tcp/2222'", "forward", "no '='"),
        ("list forward 'any=192.168.1.10:22'", "forward", "cannot show 'any'"),
        ("list forward 'tcp/2222=127.0.0.1:22'", "forward", "no host can be reached"),
        ("option snat 'masquerade'", "snat", "forwards nothing"),
        ("option forward_all '1'", "forward_all", "forwards nothing"),
        ("option allow_override '2'", "allow_override", "must be 1 or 0"),
        ("option override_range '10.0.0.0/8'\n\tlist override_range '10.1.0.0/16'", "override_range", "and again"),
        ("option allow_md4 'maybe'", "allow_md4", "must be 1 or 0"),
        ("option allow_new_chain 'yes please'", "allow_new_chain", "must be 1 or 0"),
        ("list source 'localhost'", "source", "IPv4 or IPv6 address"),
        ("option prefix_v4 '7'", "prefix_v4", "8 to 32"),
        ("option prefix_v6 '129'", "prefix_v6", "16 to 128"),
        ("option expires 'never'", "expires", "no date"),
    ] {
        let faults = load_text(&section(line)).unwrap_err();
        assert_eq!(faults.len(), 1, "{line}\n{faults:#?}");
        let at = faults[0].line;
        assert!(at == Some(7) || at == Some(8), "{line}: {at:?}");
        check(&faults[0], at, Some(option), fragment, line);
    }
    for range in ["127.0.0.0/8", "0.0.0.0", "224.0.0.0/4", "::1", "fe80::/64", "ff00::/8"] {
        let line = format!("option allow_override '1'\n\tlist override_range '{range}'");
        demand(&section(&line), Some(8), Some("override_range"), "nobody can be at");
    }
    let line = "list override_range '::ffff:192.0.2.0/120'\n\toption allow_override '1'";
    demand(&section(line), Some(7), Some("override_range"), "dress of IPv6");
    for (option, value) in [("open", "tcp/1#"), ("override_range", "198.51.#.0/24")] {
        let lines = |count: usize| {
            (1..=count).map(|number| format!("\tlist {option} '{value}'\n").replace('#', &(100 + number).to_string()))
        };
        let text = |count| section(&format!("option allow_override '1'\n{}", lines(count).collect::<String>()));
        assert!(load_text(&text(63)).is_ok());
        let faults = load_text(&text(65)).unwrap_err();
        assert!(faults.len() == 1 && faults[0].to_string().contains("more than 64"), "{faults:?}");
    }
    let forward = "list forward 'tcp/2222=192.168.1.10:22'";
    demand(&section(&format!("{forward}\n\toption prefix_v4 '24'")), Some(8), Some("prefix_v4"), "for one address");
    let nothing = section("").replace("list open 'tcp/22'", "");
    demand(&nothing, Some(5), Some("open"), "opens nothing");
}

#[test]
fn names_are_nobody_elses() {
    let twin = format!("{}\nconfig otp 'alice'\n\tlist open 'tcp/22'\n", keyed(""));
    demand(&twin, Some(12), None, "line 6 has a section");
    let twins = format!("{}\nconfig otp 'alice'\n\tlist open 'tcp/22'\n", section(""));
    demand(&twins, Some(9), None, "line 5 has a section");
    demand(&section("").replace(" 'alice'", ""), Some(5), None, "as in config otp 'alice'");
    demand(&section("").replace("'alice'", "'main'"), Some(5), None, "line 1 has a section");
}

#[test]
fn warnings_of_a_section_of_one_time_passwords() {
    let warned = |lines: &str, fragment: &str| {
        let warnings = load_text(&section(lines)).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{lines}: {warnings:?}");
        assert!(warnings[0].to_string().contains(fragment), "{}", warnings[0]);
    };
    warned("list override_range '198.51.100.0/24'", "has no effect");
    let wider = "option allow_override '1'\n\toption prefix_v4 '24'\n\tlist override_range ";
    warned(&format!("{wider}'203.0.113.7'"), "no address of 203.0.113.7");
    assert_eq!(load_text(&section(&format!("{wider}'203.0.113.0/24'"))).unwrap().warnings, []);
    warned("option timeout '7200'", "cut to the 3600 seconds");
}

#[test]
fn standalone_mode_guards_what_one_time_passwords_open() {
    let text = section("list forward 'udp/5000=192.168.1.10:5000'");
    let text = text.replace("list network 'wan'", "option firewall 'standalone'");
    let guarded: Vec<_> = load_text(&text).unwrap().config.main.protect.iter().map(ToString::to_string).collect();
    assert_eq!(guarded, ["tcp/22", "udp/5000"]);
}
