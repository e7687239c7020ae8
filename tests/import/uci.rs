//! OpenWrt's UCI configuration of fwknopd.

use std::process::{Command, Output};

use spa_knockd::import::{Imported, Problem, import_uci};

use super::{Folder, KEYS, both, configuration, demand};

const USED: &str = "config global\n\toption uci_enabled '1'\n";
const STANZA: &str = "config access\n\toption KEY 'OpenSesame-2024'\n\toption HMAC_KEY 'Hm@cSecret-77-x'\n\
                      \toption OPEN_PORTS 'tcp/22,udp/53'\n\toption SOURCE '192.0.2.0/24, 198.51.100.7'\n";

/// Imports this text.
fn uci(text: &str) -> Result<Imported, Vec<Problem>> {
    let folder = Folder::new(&[("fwknopd", text.as_bytes())]);
    import_uci(&folder.path().join("fwknopd"))
}

/// Imports the options of a `config` section and those of the only stanza.
fn with(server: &str, access: &str) -> Result<Imported, Vec<Problem>> {
    uci(&format!("{USED}{STANZA}{access}config config\n{server}"))
}

#[test]
fn it_means_what_the_files_mean() {
    let files = both(
        &format!("SOURCE 192.0.2.0/24, 198.51.100.7\n{KEYS}OPEN_PORTS tcp/22,udp/53\nFW_ACCESS_TIMEOUT 60\nREQUIRE_SOURCE_ADDRESS Y\nSOURCE ANY\n{KEYS}OPEN_PORTS tcp/80\nFORCE_NAT 192.168.1.2 80\n"),
        "PCAP_INTF eth1\nPCAP_FILTER udp port 4000\nMAX_SPA_PACKET_AGE 60\nENABLE_IPT_FORWARDING Y\n",
    )
    .unwrap();
    let text = format!(
        "{USED}config config\n\toption PCAP_INTF 'eth1'\n\toption PCAP_FILTER 'udp port 4000; #'\n\
         \toption MAX_SPA_PACKET_AGE '60'\n\toption ENABLE_IPT_FORWARDING 'Y'\n{STANZA}\toption FW_ACCESS_TIMEOUT '60'\n\
         \toption REQUIRE_SOURCE_ADDRESS 'Y'\n\toption keytype 'Normal Key'\n\toption hkeytype 'Base64'\n\
         config access 'web'\n\toption SOURCE 'ANY'\n\toption KEY 'OpenSesame-2024'\n\toption HMAC_KEY 'Hm@cSecret-77-x'\n\
         \toption OPEN_PORTS 'tcp/80'\n\toption FORCE_NAT '192.168.1.2 80'\n"
    );
    let imported = uci(&text).unwrap();
    assert_eq!(configuration(&imported), configuration(&files));
    assert_eq!(imported.notes, files.notes);
    assert!(imported.uci.starts_with("# Imported from fwknop's /etc/config/fwknopd by"));
}

#[test]
fn the_network_wins_over_the_device() {
    let network = "config network\n\toption network 'wan6'\n";
    for (text, networks, devices) in [
        (String::new(), &["wan"][..], &[][..]),
        (network.to_owned(), &["wan6"], &[]),
        (format!("{network}config config\n\toption PCAP_INTF 'eth1'\n"), &["wan6"], &[]),
        ("config config\n\toption PCAP_INTF 'eth1'\n".to_owned(), &[], &["eth1"]),
        (
            format!("{network}config config\n\toption ENABLE_NFQ_CAPTURE 'Y'\n\toption NFQ_INTERFACE 'eth2'\n"),
            &[],
            &["eth2"],
        ),
        (format!("{network}config config\n\toption ENABLE_NFQ_CAPTURE 'Y'\n"), &["wan6"], &[]),
    ] {
        let imported = uci(&format!("{USED}{text}{STANZA}")).unwrap();
        let main = configuration(&imported).main;
        assert_eq!((main.networks, main.devices), (to_strings(networks), to_strings(devices)), "{text}");
        let both_given = text.contains("wan6") && text.contains("PCAP_INTF");
        let note = imported.notes.iter().any(|note| note.starts_with("PCAP_INTF: gives way"));
        assert_eq!(note, both_given, "{text}");
    }
    demand(
        uci(&format!("{USED}{STANZA}config network\n\toption network 'w/n'\n")),
        9,
        Some("network"),
        "1 to 32 letters",
    );
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_file_that_fwknopd_did_not_use_is_not_imported() {
    for value in ["0", "off", "no", "2"] {
        let text = format!("config global\n\toption uci_enabled '{value}'\n{STANZA}\toption NONSENSE 'x'\n");
        demand(uci(&text), 2, Some("uci_enabled"), "import those with --access /etc/fwknop/access.conf");
    }
    let problems = uci(STANZA).unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, None), "{problems:?}");
    for value in ["1", "on", "true", "yes", "enabled"] {
        assert!(uci(&format!("config global\n\toption uci_enabled {value}\n{STANZA}")).is_ok(), "{value}");
    }
}

#[test]
fn what_is_wrong_leads_to_its_line() {
    for (server, access, line, variable, fragment) in [
        ("", "\toption OPEN_PORT 'tcp/22'\n", 8, Some("OPEN_PORT"), "did you mean OPEN_PORTS?"),
        ("", "\toption GPG_HOME_DIR '/root'\n", 8, Some("GPG_HOME_DIR"), "GPG is not supported"),
        ("", "\toption KEY '__CHANGEME__'\n", 8, Some("KEY"), "placeholder"),
        ("", "\toption HMAC_KEY '__CHANGEME__'\n", 8, Some("HMAC_KEY"), "placeholder"),
        ("", "\toption FW_ACCESS_TIMEOUT 'x'\n", 8, Some("FW_ACCESS_TIMEOUT"), "1 to 8388608 seconds"),
        ("", "\toption FW_ACCESS_TIMEOUT ''\n", 8, Some("FW_ACCESS_TIMEOUT"), "no value"),
        ("", "\toption REQUIRE_USERNAME 'a\nKEY b'\n", 8, Some("REQUIRE_USERNAME"), "line end"),
        ("", "\tlist RESTRICT_PORTS 'tcp/80'\n", 8, Some("RESTRICT_PORTS"), "is a list"),
        ("", "\toption ENABLE_CMD_SUDO_EXEC 'Y'\n", 8, Some("ENABLE_CMD_SUDO_EXEC"), "no sudo"),
        ("\toption ENABLE_PCAP_PROMISC 'Y'\n", "", 9, Some("ENABLE_PCAP_PROMISC"), "not supported"),
        ("\toption PCAP_INTF 'any'\n", "", 9, Some("PCAP_INTF"), "no device"),
        ("\toption MAX_SPA_PACKET_AG '1'\n", "", 9, Some("MAX_SPA_PACKET_AG"), "did you mean"),
        ("\tlist PCAP_INTF 'eth0'\n", "", 9, Some("PCAP_INTF"), "is a list"),
        ("\tnonsense\n", "", 9, None, "unknown word"),
        ("", "config access\n\toption KEY 'OpenSesame-2024'\n", 8, Some("SOURCE"), "is missing"),
        (
            "",
            "config access 'a'\n\toption SOURCE 'ANY'\n\toption KEY 'OpenSesame-2024'\n\toption HMAC_KEY 'x-x-x'\nconfig access 'a'\n\toption SOURCE 'ANY'\n\toption KEY 'OpenSesame-2025'\n\toption HMAC_KEY 'x-x-y'\n",
            12,
            None,
            "has this name",
        ),
    ] {
        demand(with(server, access), line, variable, fragment);
    }
    let long = format!("\toption REQUIRE_USERNAME '{}'\n", "x".repeat(1023));
    demand(with("", &long), 8, Some("REQUIRE_USERNAME"), "longer than 1023");
    assert_eq!(uci(USED).unwrap_err()[0].text, "there is no section of type access");
    let many = STANZA.repeat(257);
    assert!(uci(&format!("{USED}{many}")).unwrap_err()[0].text.contains("more than 256"));
    let notes = uci(&format!("{USED}{STANZA}config acess\n\toption SOURCE 'ANY'\n")).unwrap().notes;
    assert!(notes.iter().any(|note| note.starts_with("config acess: ")), "{notes:?}");
}

#[test]
fn the_sample_that_openwrt_ships_names_its_placeholders() {
    let sample = "config global\n\toption uci_enabled '1'\n\nconfig network\n\toption network 'wan'\n\nconfig access\n\
                  \toption SOURCE 'ANY'\n\toption KEY '__CHANGEME__'\n\toption HMAC_KEY '__CHANGEME__'\n\nconfig config\n\
                  \toption ENABLE_IPT_FORWARDING 'Y'\n\toption ENABLE_NAT_DNS 'Y'\n";
    let problems = uci(sample).unwrap_err();
    let said: Vec<_> = problems.iter().map(|problem| (problem.line, problem.variable.as_deref())).collect();
    assert_eq!(said, [(Some(9), Some("KEY")), (Some(10), Some("HMAC_KEY"))], "{problems:?}");
    assert!(problems.iter().all(|problem| problem.text.contains("placeholder")), "{problems:?}");
}

fn program(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(words).output().unwrap()
}

#[test]
fn the_program_imports_what_check_takes() {
    let folder = Folder::new(&[("fwknopd", format!("{USED}{STANZA}").as_bytes())]);
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let imported = program(&["import", "--uci", &path("fwknopd")]);
    assert!(imported.status.success(), "{imported:?}");
    std::fs::write(path("new"), &imported.stdout).unwrap();
    let checked = program(&["check", "--config", &path("new")]);
    assert!(checked.status.success(), "{checked:?}");

    let (file, missing) = (path("fwknopd"), path("missing"));
    for words in [
        &["import"][..],
        &["import", "--uci", &file, "--access", &file],
        &["import", "--uci", &file, "--fwknopd", &file],
    ] {
        let out = program(words);
        assert_eq!((out.status.code(), out.stdout.is_empty()), (Some(2), true), "{words:?}");
        assert!(String::from_utf8(out.stderr).unwrap().contains("--uci"), "{words:?}");
    }
    let out = program(&["import", "--uci", &missing]);
    assert_eq!((out.status.code(), out.stdout.is_empty()), (Some(1), true));
    assert!(String::from_utf8(out.stderr).unwrap().contains("cannot be read"));
}
