//! Mistakes in `config page`.

use std::num::NonZeroU16;

use super::{check, demand, keyed, load_text, otp};

/// A configuration with a user of one-time passwords and the page, with these lines from line 11 on.
pub(super) fn section(lines: &str) -> String {
    format!("{}\nconfig page 'page'\n\toption enabled '1'\n\t{lines}\n", otp::section(""))
}

#[test]
fn a_page_needs_no_further_word() {
    let loaded = load_text(&section("")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.config.has_page());
    let off = section("").replace("config page 'page'\n\toption enabled '1'", "config page 'page'");
    assert_eq!(load_text(&off).unwrap().config.page, None);
}

#[test]
fn faults_of_the_page() {
    for (line, option, fragment) in [
        ("option prt '1'", "prt", "did you mean 'port'?"),
        ("list open 'tcp/22'", "open", "belongs to config access"),
        ("option port '65536'", "port", "1024 to 65535"),
        ("option port '+8443'", "port", "1024 to 65535"),
        ("option port '02000'", "port", "without a zero in front"),
        ("option port '00'", "port", "or 0 for none"),
        ("option port '443'", "port", "never is root"),
        ("option port '1023'", "port", "redirect this one to it"),
        ("option plain_port '02000'\n\tlist plain_network 'lan'", "plain_port", "without a zero in front"),
        ("option plain_port '80'\n\tlist plain_network 'lan'", "plain_port", "never is root"),
        ("option plain_port '8080'\n\tlist plain_network 'lan'\n\toption port '0'", "plain_port", "another web server"),
        ("option plain_port '-1'", "plain_port", "or 0 for none"),
        ("option plain_port '8443'\n\tlist plain_network 'lan'", "plain_port", "is the port with TLS"),
        ("list plain_from 'any'", "plain_from", "listens on the way"),
        ("list plain_from '0.0.0.0/0'", "plain_from", "listens on the way"),
        ("list plain_from '::/0'", "plain_from", "listens on the way"),
        ("list plain_from 'lan'", "plain_from", "IPv4 or IPv6 address"),
        ("list plain_network 'l a n'", "plain_network", "1 to 32 letters"),
        ("list proxy 'any'", "proxy", "everybody could name"),
        ("list proxy '::/0'", "proxy", "everybody could name"),
        ("list proxy 'localhost'", "proxy", "IPv4 or IPv6 address"),
        ("list host 'knock.example:8443'", "host", "without a port"),
        ("list host 'https://knock.example'", "host", "neither the name"),
        ("option cert '/a.crt'\n\toption key 'a.key'", "key", "no path from the root"),
        ("option key '/a.key'\n\toption cert '/etc/a b'", "cert", "no path from the root"),
        ("option cert '/etc/uhttpd.crt'", "cert", "without option key"),
        ("option key '/etc/uhttpd.key'", "key", "without option cert"),
        ("list listen 'lan'", "listen", "no address of a host"),
        ("list listen '224.0.0.1'", "listen", "no address of a host"),
        ("option host 'a'\n\tlist host 'b'", "host", "and again"),
    ] {
        let faults = load_text(&section(line)).unwrap_err();
        assert_eq!(faults.len(), 1, "{line}\n{faults:#?}");
        let at = faults[0].line;
        assert!(at == Some(11) || at == Some(12), "{line}: {at:?}");
        check(&faults[0], at, Some(option), fragment, line);
    }
    demand(
        &section("").replace("option enabled '1'\n\t\n", "option enabled 'maybe'\n"),
        Some(10),
        Some("enabled"),
        "1 or 0",
    );
}

#[test]
fn another_web_server_may_have_the_page() {
    let page = |lines: &str| load_text(&section(lines)).unwrap().config.page.unwrap();
    assert_eq!((page("option port '0'").port, page("option port '1024'").port), (None, NonZeroU16::new(1024)));
    let named = page("option cert '/a.crt'\n\toption key '/a.key'");
    assert_eq!((named.cert.as_deref(), named.key.as_deref()), (Some("/a.crt"), Some("/a.key")));
    // Nothing of ours is at a port then, so nothing has to agree with it.
    let listener = section("option port '0'").replace("list network", "option tcp_listen '8443'\n\tlist network");
    assert!(load_text(&listener).is_ok());
}

#[test]
fn there_is_one_page_and_it_has_its_name() {
    demand(&section("").replace("page 'page'", "page 'other'"), Some(9), None, "must be named 'page'");
    demand(&section("").replace("page 'page'", "page"), Some(9), None, "as in config page 'page'");
    let twice = format!("{}\nconfig page 'page'\n\toption enabled '1'\n", section(""));
    demand(&twice, Some(13), None, "line 9 has a section of this name");
    let two = format!("{}\nconfig page 'two'\n\toption enabled '1'\n", section(""));
    demand(&two, Some(13), None, "must be named 'page'");
}

#[test]
fn the_page_must_be_within_reach() {
    let main = "list network 'wan'";
    let listener = section("option port '62202'").replace(main, &format!("{main}\n\toption tcp_listen '62202'"));
    demand(&listener, Some(10), None, "cannot be at tcp/62202: tcp_listen");
    let alone = format!("{main}\n\toption firewall 'standalone'\n\tlist protect 'tcp/22'\n\tlist protect 'tcp/8443'");
    demand(&section("").replace(main, &alone), Some(12), None, "'standalone' guards it");
}

#[test]
fn warnings_of_the_page() {
    let warned = |text: &str, fragment: &str| {
        let warnings = load_text(text).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings[0].to_string().contains(fragment), "{}", warnings[0]);
    };
    warned(&section("option plain_port '8080'"), "nobody may come without TLS");
    warned(&format!("{}\nconfig page 'page'\n\toption enabled '1'\n", keyed("")), "so there is no page");
}
