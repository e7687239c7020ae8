//! The web server of the page of one-time passwords: how it is started, and that the daemon runs on without it.

use std::os::unix::fs::{MetadataExt as _, symlink};

use super::machine::{PASSWD, Router};
use super::{OF_WAN, config, simple};

/// The user that serves the page.
const WEB: &str = "spa-knock-web:x:62202:62202::/var/run:/bin/false\n";

/// A server that has its port, and the name of its directory among its words, until someone comes.
const UHTTPD: &str = "#!/bin/sh\nfor place; do case $place in *:[0-9]*) port=${place##*:} ;; esac; done\n\
                      exec nc -l -p \"$port\" -e /bin/true /usr/share/spa-knockd/page\n";

/// One that makes a certificate and its key, but knows no extensions.
const PX5G: &str = "#!/bin/sh\necho \"$*\" >>/tmp/px5g\nwhile [ $# -gt 0 ]; do\ncase $1 in\n-addext) exit 1 ;;\n\
                    -keyout) echo key >\"$2\" ;;\n-out) echo cert >\"$2\" ;;\nesac\nshift\ndone\n";

/// Our configuration with the page, and more lines in its section.
fn paged(page: &str) -> String {
    format!("{}\n{}", simple(), section(page))
}

/// The sections for the page.
fn section(page: &str) -> String {
    format!("config otp 'carol'\n\tlist open 'tcp/22'\n\nconfig page 'page'\n\toption enabled '1'\n{page}")
}

/// A router with all that the page needs; nothing was started.
fn router(text: &str) -> Router {
    let router = Router::new(text);
    router.write("etc/passwd", &format!("{PASSWD}{WEB}"));
    router.write("etc/group", "root:x:0:\nspa-knockd:x:62201:\nspa-knock-web:x:62202:spa-knockd\n");
    std::fs::create_dir_all(router.at("usr/share/spa-knockd/page")).expect("mkdir");
    symlink("/usr/sbin/spa-knockd", router.at("usr/share/spa-knockd/page/open-sesame")).expect("a link");
    router.program("usr/sbin/uhttpd", UHTTPD);
    router.write("lib/libustream-ssl.so", "");
    std::fs::create_dir_all(router.at("etc/spa-knockd")).expect("mkdir");
    for file in ["crt", "key"] {
        router.write(&format!("etc/uhttpd.{file}"), "of LuCI\n");
        router.write(&format!("etc/spa-knockd/page.{file}"), "of the page\n");
    }
    router
}

/// Whether the page's server was started; the daemon must have been.
fn is_served(router: &Router) -> bool {
    router.serving();
    let served = router.at("tmp/procd/instance.page").exists();
    let rules = router.good("nft list chain inet fw4 input_wan");
    assert_eq!(served, rules.contains("@spa_page4_v1"), "{rules}");
    assert_eq!(served, router.at("var/run/spa-knockd.page").exists());
    served
}

/// The words that the page's server got.
fn words(router: &Router) -> String {
    let instance = router.read("tmp/procd/instance.page");
    instance.lines().find_map(|line| line.strip_prefix("command ")).expect("a command").to_owned()
}

#[test]
fn the_page_has_a_server_of_its_own_that_is_not_root() {
    let router = router(&paged(""));
    router.init("start");
    assert!(is_served(&router));
    assert_eq!(
        words(&router),
        "/usr/sbin/uhttpd -f -c /dev/null -h /usr/share/spa-knockd/page -x / -I open-sesame -D -n 32 -N 64 -t 20 -T 10 -k 0 \
         -C /var/etc/spa-knockd/page.crt -K /var/etc/spa-knockd/page.key -s 0.0.0.0:8443 -s [::]:8443"
    );
    let instance = router.read("tmp/procd/instance.page");
    let end =
        "respawn 3600 30 0\nstderr 1\nlimits core=0 as=67108864 nofile=128\nuser spa-knock-web\ngroup spa-knock-web\n";
    assert!(instance.ends_with(end), "{instance}");
    for file in ["page.crt", "page.key"] {
        let found = router.at("var/etc/spa-knockd").join(file).metadata().expect("a file");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, 62_202, 0o640), "{file}");
    }
    assert_eq!(router.log(), "");
    let status = "running\n  the page of one-time passwords answers at 0.0.0.0:8443, [::]:8443\n";
    assert_eq!(router.status(), (0, status.to_owned()));
    let triggers = router.read("tmp/procd/triggers");
    let renewed = "event acme.renew 5000 /etc/init.d/spa-knockd reload\n";
    assert_eq!(triggers, format!("config spa-knockd firewall uhttpd\ninterface wan\n{renewed}"));
    // Nothing has changed: its own port is not taken, and nothing is started or loaded again.
    router.fw4_calls();
    router.init("reload");
    assert_eq!((router.fw4_calls(), router.read("tmp/procd/starts.page")), (String::new(), "started\n".to_owned()));
    // A certificate that was renewed.
    router.write("etc/spa-knockd/page.crt", "renewed\n");
    router.init("reload");
    assert_eq!(router.read("tmp/procd/starts.page").lines().count(), 2);
    assert_eq!((router.read("var/etc/spa-knockd/page.crt"), router.starts()), ("renewed\n".to_owned(), 1));
}

#[test]
fn what_ended_by_itself_is_said() {
    let router = router(&paged(""));
    router.init("start");
    router.serving();
    router.good("kill $(cat /tmp/procd/pid.page)");
    router.wait("end", || router.status().1.contains("ended by itself; logread -e uhttpd says why"));
    assert_eq!(router.status().0, 0);
}

#[test]
fn without_what_it_needs_the_daemon_runs_and_the_page_does_not() {
    let lack = [
        ("", "rm /usr/sbin/uhttpd", "there is no uhttpd; opkg install uhttpd, then"),
        ("", "rm /lib/libustream-ssl.so", "uhttpd has no TLS; opkg install libustream-mbedtls"),
        ("", "rm /usr/share/spa-knockd/page/open-sesame", "install the package again"),
        ("", "sed -i /spa-knock-web/d /etc/passwd", "there is no user spa-knock-web"),
        ("", "rm /etc/spa-knockd/page.key", "opkg install px5g-mbedtls, or name one by option cert"),
        (
            "\toption cert '/etc/other.crt'\n\toption key '/etc/uhttpd.key'\n",
            "",
            "/etc/other.crt is missing or empty; correct option cert",
        ),
        (
            "\toption cert '/etc/uhttpd.crt'\n\toption key '/etc/empty.key'\n",
            ": >/etc/empty.key",
            "/etc/empty.key is missing",
        ),
        (
            "",
            "rm /usr/sbin/uhttpd && : >/usr/bin/apk && chmod 755 /usr/bin/apk",
            "there is no uhttpd; apk add uhttpd, then /etc/init.d/spa-knockd reload",
        ),
    ];
    for (page, change, said) in lack {
        let router = router(&paged(page));
        router.good(change);
        router.init("start");
        assert!(!is_served(&router), "{said}");
        let log = router.log();
        assert!(log.starts_with("err the page of one-time passwords is not there: ") && log.contains(said), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        let (code, status) = router.status();
        assert!(code == 0 && status.starts_with("running\n") && status.contains(said), "{status}");
        // Its key is not left lying about, either.
        assert!(!router.at("var/etc/spa-knockd/page.key").exists());
    }
}

#[test]
fn a_port_of_somebody_elses_is_not_taken() {
    let luci = |place: &str| {
        format!("config uhttpd 'main'\n\tlist listen_http '0.0.0.0:8080'\n\tlist listen_https '{place}'\n")
    };
    for (page, others, taken) in [
        ("\toption port '4443'\n", luci("0.0.0.0:4443"), true),
        ("\toption port '4443'\n", luci("[::]:4443"), true),
        ("\toption port '4443'\n", luci("4443"), true),
        ("\toption port '4443'\n", luci("192.168.1.1:4443"), true),
        ("\toption port '4443'\n\tlist listen '203.0.113.1'\n", luci("192.168.1.1:4443"), false),
        ("\toption port '4443'\n\tlist listen '203.0.113.1'\n", luci("203.0.113.1:4443"), true),
        ("\toption port '4443'\n\tlist listen '::'\n", luci("192.168.1.1:4443"), true),
        ("\toption port '4443'\n", luci("0.0.0.0:4443") + "\toption enabled '0'\n", false),
        ("\toption port '8444'\n", luci("0.0.0.0:4443"), false),
        ("\toption plain_port '8080'\n\tlist plain_network 'lan'\n", luci("0.0.0.0:4443"), true),
    ] {
        let router = router(&paged(page));
        router.write("etc/config/uhttpd", &others);
        router.init("start");
        assert_eq!(is_served(&router), !taken, "{page}{others}");
        let log = router.log();
        let option = if page.contains("plain") { "plain_port" } else { "port" };
        let line = format!("is taken by section 'main' of /etc/config/uhttpd; write another option {option}");
        assert_eq!(log.contains(&line), taken, "{log}");
    }
}

#[test]
fn a_port_that_a_program_has_is_not_taken_from_it() {
    let router = router(&paged(""));
    router.good("nc -l -p 8443 </dev/null >/dev/null 2>&1 & echo $! >/tmp/theirs; sleep 0.5");
    router.init("start");
    assert!(!is_served(&router));
    let log = router.log();
    assert!(log.contains("port 8443 is taken by nc; write another option port"), "{log}");
    // One at another address is no matter, and neither is one that has gone.
    router.configure(&paged("\tlist listen '203.0.113.1'\n"));
    router.init("reload");
    assert!(!is_served(&router), "it is at all addresses");
    router.good("kill $(cat /tmp/theirs)");
    router.configure(&paged(""));
    router.init("reload");
    assert!(is_served(&router));
}

#[test]
fn a_certificate_is_made_where_there_is_none_and_kept() {
    let router = router(&paged("\tlist host 'knock.example.net'\n"));
    router.good("rm /etc/spa-knockd/page.*");
    router.program("usr/sbin/px5g", PX5G);
    router.init("start");
    assert!(is_served(&router));
    let log = router.log();
    assert!(log.starts_with("notice a certificate for the page was made, /etc/spa-knockd/page.crt; "), "{log}");
    let asked = router.read("tmp/px5g");
    let name =
        "/CN=knock.example.net -addext extendedKeyUsage=serverAuth -addext subjectAltName=DNS:knock.example.net\n";
    assert!(asked.starts_with("selfsigned -der -days 3650 -newkey ec ") && asked.contains(name), "{asked}");
    let mode = router.at("etc/spa-knockd/page.key").metadata().expect("a key").mode() & 0o777;
    assert_eq!((mode, router.read("var/etc/spa-knockd/page.key").as_str()), (0o600, "key\n"));
    router.init("restart");
    assert_eq!(router.read("var/etc/spa-knockd/page.key"), "key\n");
    assert_eq!(router.read("tmp/px5g"), asked);
    // An address is named as one.
    for (host, kind) in [("192.0.2.1", "IP:192.0.2.1"), ("2001:db8::1", "IP:2001:db8::1"), ("1.2.x", "DNS:1.2.x")] {
        router.good("rm /etc/spa-knockd/page.* /tmp/px5g");
        router.configure(&paged(&format!("\tlist host '{host}'\n")));
        router.init("reload");
        let asked = router.read("tmp/px5g");
        assert!(asked.contains(&format!("subjectAltName={kind}\n")), "{asked}");
    }
}

#[test]
fn half_a_certificate_is_none() {
    let router = router(&paged(""));
    router.good("rm /etc/spa-knockd/page.*");
    router.program("usr/sbin/px5g", &PX5G.replace("-out) echo cert", "-out) : cert"));
    router.init("start");
    assert!(!is_served(&router));
    assert!(router.log().contains("there is no certificate, nor anything to make one"));
    assert_eq!(router.good("ls -A /etc/spa-knockd").trim(), "state");
}

#[test]
fn a_port_of_roots_or_of_two_readings_never_gets_to_the_server() {
    let plain = |port: &str| format!("\toption plain_port '{port}'\n\tlist plain_network 'lan'\n");
    let router = router(&paged(""));
    for page in ["\toption port '443'\n", "\toption port '02000'\n", &plain("80"), &plain("02000")] {
        router.configure(&paged(page));
        router.refused("start");
        assert!(!router.at("tmp/procd/instance.page").exists() && !router.at("var/run/spa-knockd.page").exists());
    }
    // The script asks no less than the parser.
    let ask = |port: &str| {
        let parts = "cd /usr/share/spa-knockd && . ./notes.sh && . ./resolve.sh && . ./page.sh && SPA_NOTES=";
        router.run(&format!("{parts}; spa_page_may_have '{port}'")).status.success()
    };
    assert!(ask("8444") && ask("65535"));
    for port in ["", "0", "443", "1023", "02000", "008443", "65536", "99999", "123456", "84 43", "a", "-8443"] {
        assert!(!ask(port), "{port}");
    }
}

#[test]
fn a_certificate_that_is_named_is_lent_and_no_other() {
    let router = router(&paged("\toption cert '/etc/uhttpd.crt'\n\toption key '/etc/uhttpd.key'\n"));
    router.init("start");
    assert!(is_served(&router));
    assert_eq!(router.read("var/etc/spa-knockd/page.key"), "of LuCI\n");
    router.configure(&paged(""));
    router.init("reload");
    assert_eq!(router.read("var/etc/spa-knockd/page.key"), "of the page\n");
}

#[test]
fn another_web_server_may_have_the_page() {
    let router = router(&paged("\toption port '0'\n\tlist plain_network 'lan'\n"));
    router.program("sbin/ujail", "");
    router.write("tmp/addresses.lan", "192.168.1.1/24\n");
    router.remove("usr/sbin/uhttpd");
    router.init("start");
    assert!(!is_served(&router));
    assert_eq!((router.log(), router.status()), (String::new(), (0, "running\n".to_owned())));
    assert!(!router.good("nft list ruleset").contains("spa_page") && router.drop_ins().len() == 7);
    assert!(!router.at("var/etc/spa-knockd/page.key").exists());
    // The daemon has the page all the same: who may come without TLS, and the socket's directory.
    assert!(router.read("var/etc/spa-knockd/config").contains("list plain_from '192.168.1.1/24'"));
    assert_eq!(router.at("var/run/spa-knockd").metadata().expect("a directory").gid(), 62_202);
}

#[test]
fn without_tls_it_answers_at_the_addresses_of_the_networks_alone() {
    let page = "\toption plain_port '8080'\n\tlist plain_network 'lan'\n\tlist plain_network 'guest'\n";
    let router = router(&paged(page));
    router.write("tmp/addresses.lan", "192.168.1.1/24 192.168.2.1/24\n2001:db8:1::1/60\n");
    router.init("start");
    assert!(is_served(&router));
    let words = words(&router);
    let end = "-s [::]:8443 -p 192.168.1.1:8080 -p 192.168.2.1:8080 -p [2001:db8:1::1]:8080";
    assert!(words.ends_with(end), "{words}");
    let resolved = router.read("var/etc/spa-knockd/config");
    let lines = "config page 'page'\n\tlist plain_from '192.168.1.1/24'\n\tlist plain_from '192.168.2.1/24'\n\
                 \tlist plain_from '2001:db8:1::1/60'\n\toption enabled '1'\n";
    assert!(resolved.contains(lines), "{resolved}");
    assert!(
        router.log().contains("network 'guest' has no address yet; without TLS, nobody gets to the page from there")
    );
    assert!(router.read("tmp/procd/triggers").contains("interface wan\ninterface lan\ninterface guest\n"));
    // The firewall is not opened for that.
    assert!(!router.good("nft list ruleset").contains("8080"));
    // The network comes up.
    router.write("tmp/addresses.guest", "192.168.3.1/24\n");
    router.init("reload");
    router.serving();
    assert!(router.read("tmp/procd/instance.page").contains("-p 192.168.3.1:8080"));
    assert!(router.read("var/etc/spa-knockd/config").contains("list plain_from '192.168.3.1/24'"));
}

#[test]
fn the_port_is_open_where_the_page_listens_with_a_limit_for_each_source() {
    let router = router(&paged("\toption port '8444'\n"));
    router.init("start");
    assert!(is_served(&router));
    let rules = router.good("nft -s list chain inet fw4 input_wan");
    let limit = "limit rate over 20/minute burst 20 packets } counter drop comment \"spa-knockd\"";
    for line in [
        format!("tcp dport 8444 ct state new update @spa_page4_v1 {{ ip saddr {limit}"),
        format!("tcp dport 8444 ct state new update @spa_page6_v1 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {limit}"),
        format!(
            "tcp dport 8444 ct state new update @spa_site6_v1 {{ ip6 saddr & ffff:ffff:ffff:: {}",
            limit.replace("20/minute burst 20", "60/minute burst 24")
        ),
        "tcp dport 8444 ct state new counter accept comment \"spa-knockd\"".to_owned(),
    ] {
        assert!(rules.contains(&line), "{rules}");
    }
    assert!(!router.good("nft list chain inet fw4 input_lan").contains("8444"));
    let with_page = ["chain-pre/input_wan/11-spa-knockd.nft", "table-pre/11-spa-knockd.nft"];
    assert!(with_page.iter().all(|place| router.drop_ins().contains(&(*place).to_owned())));
    for (listen, accepts) in [
        (vec!["203.0.113.1"], vec!["ip daddr 203.0.113.1 tcp dport 8444 ct state new counter accept"]),
        (
            vec!["203.0.113.1", "198.51.100.1", "2001:db8::1"],
            vec![
                "ip daddr { 198.51.100.1, 203.0.113.1 } tcp dport 8444 ct state new counter accept",
                "ip6 daddr 2001:db8::1 tcp dport 8444 ct state new counter accept",
            ],
        ),
        (vec!["203.0.113.1", "::"], vec!["tcp dport 8444 ct state new counter accept"]),
    ] {
        let lists: String = listen.iter().map(|address| format!("\tlist listen '{address}'\n")).collect();
        router.configure(&paged(&format!("\toption port '8444'\n{lists}")));
        router.init("reload");
        let rules = router.good("nft -s list chain inet fw4 input_wan");
        let found: Vec<&str> = rules.lines().filter(|line| line.contains("8444") && line.contains("accept")).collect();
        let found: Vec<&str> =
            found.iter().map(|line| line.trim().trim_end_matches(" comment \"spa-knockd\"")).collect();
        assert_eq!(found, accepts);
    }
    // It comes back with the firewall, and not with a boot.
    router.good("nft delete table inet fw4; fw4 start");
    assert!(router.good("nft list chain inet fw4 input_wan").contains("8444"));
    router.good("rm -r /var/run/spa-knockd.page; fw4 reload");
    assert!(!router.good("nft list chain inet fw4 input_wan").contains("8444"));
}

#[test]
fn rules_that_the_firewall_cannot_read_cost_the_page_and_not_the_knocks() {
    for template in ["port", "table-pre", "input"] {
        let router = router(&paged(""));
        router.write(&format!("usr/share/spa-knockd/nftables/page/{template}.nft"), "nonsense\n");
        router.init("start");
        assert!(!is_served(&router), "{template}");
        let log = router.log();
        assert!(log.contains("err the page of one-time passwords is not there: the firewall cannot read"), "{log}");
        assert!(router.good("fw4 check").contains("passes"));
        assert!(OF_WAN.iter().all(|place| router.drop_ins().contains(&(*place).to_owned())));
    }
}

#[test]
fn a_mistake_of_the_owners_leaves_the_page_that_runs() {
    let router = router(&paged(""));
    router.init("start");
    assert!(is_served(&router));
    router.write("etc/nftables.d/10-own.nft", "chain x { nonsense }\n");
    router.init("reload");
    router.configure(&paged("\toption nonsense '1'\n"));
    router.refused("reload");
    assert!(is_served(&router));
    assert_eq!(router.read("tmp/procd/starts.page"), "started\n");
}

#[test]
fn the_port_is_shut_with_the_page_and_nothing_is_left() {
    for action in ["reload", "stop", "cleanup"] {
        let router = router(&paged(""));
        router.init("start");
        assert!(is_served(&router));
        if action == "reload" {
            router.configure(&paged("").replace("page'\n\toption enabled '1'", "page'\n\toption enabled '0'"));
        }
        router.init(action);
        router.wait("the server's end", || !router.run("kill -0 $(cat /tmp/procd/pid.page)").status.success());
        let ruleset = router.good("nft list ruleset");
        assert!(!ruleset.contains("8443"), "{action}: {ruleset}");
        // A stop leaves the rest of our rules, too, for the next start.
        let has_sets = ["spa_page4", "spa_page6", "spa_site6"].map(|set| ruleset.contains(set));
        assert_eq!(has_sets, [action == "stop"; 3], "{action}: {ruleset}");
        assert_eq!(
            router.drop_ins().len(),
            match action {
                "reload" => 7,
                "stop" => 9,
                _ => 0,
            }
        );
        assert!(!router.at("var/run/spa-knockd.page").exists() && !router.at("tmp/procd/instance.page").exists());
        if action == "reload" {
            assert!(!is_served(&router));
            assert!(!router.at("var/etc/spa-knockd/page.key").exists());
            assert_eq!(router.status(), (0, "running\n".to_owned()));
        }
    }
}

#[test]
fn where_nothing_else_guards_the_port_is_the_owners_to_open() {
    let text = config("\tlist network 'wan'\n\toption firewall 'standalone'\n") + "\n" + &section("");
    let router = router(&text);
    router.init("start");
    router.serving();
    assert!(router.at("tmp/procd/instance.page").exists());
    assert!(!router.at("var/run/spa-knockd.page").exists() && router.drop_ins().is_empty());
}

#[test]
fn a_stanza_of_the_name_page_is_no_page() {
    let text = simple()
        + "\nconfig access 'page'\n\toption enabled '1'\n\toption key 'kkkkkkkkkkkkkkkk'\n\
                           \toption hmac_key 'hhhhhhhhhhhhhhhh'\n\tlist open 'tcp/22'\n";
    let router = router(&text);
    router.init("start");
    assert!(!is_served(&router));
    assert_eq!(router.read("tmp/procd/triggers"), "config spa-knockd firewall\ninterface wan\n");
}

#[test]
fn in_the_jail_the_run_directory_is_the_pages_to_pass_and_the_store_the_daemons() {
    let router = router(&paged(""));
    router.program("sbin/ujail", "");
    router.good(
        "mkdir -p /etc/spa-knockd/state/otp && echo 1 >/etc/spa-knockd/state/otp/carol && : >/etc/shadow && \
         ln /etc/shadow /etc/spa-knockd/state/otp/hard && ln -s /etc/shadow /etc/spa-knockd/state/otp/soft",
    );
    router.init("start");
    let of = |path: &str| {
        let found = router.at(path).symlink_metadata().expect("a file");
        (found.uid(), found.gid(), found.mode() & 0o7777)
    };
    assert_eq!(of("var/run/spa-knockd"), (62_201, 62_202, 0o2710));
    assert_eq!(of("etc/spa-knockd/state"), (62_201, 62_201, 0o700));
    assert_eq!((of("etc/spa-knockd/state/otp").0, of("etc/spa-knockd/state/otp/carol").0), (62_201, 62_201));
    assert_eq!((of("etc/shadow").0, of("etc/spa-knockd/state/otp/soft").0), (0, 0));
    // Without the page, it is the daemon's alone.
    router.configure(&simple());
    router.init("reload");
    assert_eq!(of("var/run/spa-knockd"), (62_201, 62_201, 0o700));
    // The store is never what the daemon's user has put in its place.
    router.good("mv /etc/spa-knockd/state/otp /etc/spa-knockd/state/was && mkdir /theirs && : >/theirs/file && ln -s /theirs /etc/spa-knockd/state/otp");
    router.init("reload");
    assert_eq!((of("theirs").0, of("theirs/file").0), (0, 0));
}
