//! Variables of access.conf.

use spa_knockd::config::Open;

use super::{Folder, KEYS, access, both, configuration, demand};

#[test]
fn every_variable_of_today_finds_its_option() {
    let text = "SOURCE 10.0.0.0/8, 192.168.1.7,2001:db8::/32\nDESTINATION 192.0.2.1\n\
                KEY_BASE64 HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw=\nHMAC_KEY Hm@cSecret-77-x\nHMAC_DIGEST_TYPE SHA512\n\
                ENCRYPTION_MODE CTR\nOPEN_PORTS tcp/22, UDP/1194,tcp/22\nRESTRICT_PORTS udp/53\nFW_ACCESS_TIMEOUT 61\n\
                MAX_FW_TIMEOUT 600\nREQUIRE_USERNAME alice\nREQUIRE_SOURCE_ADDRESS yes\nACCESS_EXPIRE 12/31/37\n";
    let imported = both(text, "ENABLE_DESTINATION_RULE Y;\n").unwrap();
    let config = configuration(&imported);
    assert_eq!((config.main.max_timeout, config.access.len()), (3600, 1));
    let stanza = &config.access[0];
    let texts: Vec<_> = stanza.source.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.0/8", "192.168.1.7", "2001:db8::/32"]);
    assert_eq!(stanza.destination, ["192.0.2.1".parse().unwrap()]);
    assert_eq!(stanza.open, Open::Ports(vec!["tcp/22".parse().unwrap(), "udp/1194".parse().unwrap()]));
    assert_eq!(stanza.restrict, ["udp/53".parse().unwrap()]);
    assert_eq!((stanza.timeout, stanza.max_timeout, stanza.match_destination), (61, 600, true));
    assert_eq!((stanza.require_source_address, stanza.require_username.as_deref()), (true, Some("alice")));
    assert_eq!(stanza.expires, Some(2_145_830_400));
    assert_eq!((stanza.keys[0].mode.name(), stanza.keys[0].key.bytes().len()), ("ctr", 32));
    let (digest, hmac) = stanza.keys[0].hmac.as_ref().unwrap();
    assert_eq!((digest.name(), hmac.bytes()), ("sha512", &b"Hm@cSecret-77-x"[..]));
    assert!(imported.notes.iter().any(|note| note.contains("as local time by fwknop")), "{:?}", imported.notes);
}

#[test]
fn what_is_not_said_is_fwknops_default() {
    let imported = both(&format!("SOURCE any\n{KEYS}FW_ACCESS_TIMEOUT 0\nMAX_FW_TIMEOUT 0\n"), "").unwrap();
    let stanza = &configuration(&imported).access[0];
    assert_eq!((stanza.timeout, stanza.max_timeout, stanza.require_source_address), (30, 300, false));
    assert_eq!((&stanza.open, stanza.source.len(), stanza.expires), (&Open::Any, 2, None));
    assert!(imported.uci.starts_with("# Imported"), "{}", imported.uci);
    assert!(imported.uci.contains("# OPEN_PORTS: is missing in stanza 'access1'"), "{}", imported.uci);
}

#[test]
fn timeouts_raise_the_limit_of_main() {
    let imported = both(&format!("SOURCE ANY\n{KEYS}FW_ACCESS_TIMEOUT 8388608\nMAX_FW_TIMEOUT 7200\n"), "").unwrap();
    let config = configuration(&imported);
    assert_eq!(
        (config.main.max_timeout, config.access[0].timeout, config.access[0].max_timeout),
        (8_388_608, 8_388_608, 7200)
    );
    assert!(imported.notes.iter().any(|note| note.contains("raised to 8388608")), "{:?}", imported.notes);
}

#[test]
fn the_last_of_two_counts() {
    let text = format!(
        "SOURCE ANY\n{KEYS}KEY Sesame-2025\nREQUIRE_SOURCE N\nREQUIRE_SOURCE_ADDRESS Y\nACCESS_EXPIRE 01/02/2030\nACCESS_EXPIRE_EPOCH 1500000001\n"
    );
    let imported = both(&text, "").unwrap();
    let stanza = &configuration(&imported).access[0];
    assert_eq!(stanza.keys[0].key.bytes(), b"Sesame-2025");
    assert_eq!((stanza.require_source_address, stanza.expires), (true, Some(1_500_000_001)));
    assert!(imported.notes.iter().any(|note| note.starts_with("KEY: is given twice")), "{:?}", imported.notes);
}

#[test]
fn passphrases_keep_every_byte() {
    let config = access("SOURCE ANY;\n  KEY:\tit's \"two\\ words\" #1 \t ; behind\r\nHMAC_KEY a'b\tc\r\n");
    let keys = &config.access[0].keys[0];
    assert_eq!(keys.key.bytes(), b"it's \"two\\ words\" #1");
    assert_eq!(keys.hmac.as_ref().unwrap().1.bytes(), b"a'b\tc");
    let bytes =
        Folder::new(&[("access.conf", b"SOURCE ANY\nKEY p\xe4ssw\xf6rd\nHMAC_KEY \xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\n")]);
    let imported = bytes.import().unwrap();
    let keys = &configuration(&imported).access[0].keys[0];
    assert_eq!(keys.key.bytes(), b"p\xe4ssw\xf6rd");
    assert_eq!(keys.hmac.as_ref().unwrap().1.bytes(), b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8");
}

#[test]
fn masks_become_lengths() {
    let config = access(&format!("SOURCE 10.1.2.3/255.255.0.0, 0.0.0.0/0,192.0.2.1/255.255.255.255\n{KEYS}"));
    let texts: Vec<_> = config.access[0].source.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.1.0.0/16", "0.0.0.0/0", "192.0.2.1"]);
}

#[test]
fn what_cannot_be_honoured_is_named() {
    for (lines, variable, fragment) in [
        ("ENABLE_CMD_EXEC y", "ENABLE_CMD_EXEC", "name each command"),
        ("CMD_CYCLE_OPEN /bin/true $SRC", "CMD_CYCLE_OPEN", "option on_close"),
        ("CMD_CYCLE_CLOSE NONE", "CMD_CYCLE_CLOSE", "option on_close"),
        ("CMD_CYCLE_TIMER 20", "CMD_CYCLE_TIMER", "`timeout`"),
        ("ENABLE_CMD_SUDO_EXEC Y", "ENABLE_CMD_SUDO_EXEC", "no sudo"),
        (
            "ENCRYPTION_MODE Asymmetric",
            "ENCRYPTION_MODE",
            "GPG is not supported by this daemon; use KEY_BASE64 and HMAC_KEY_BASE64",
        ),
        ("GPG_DECRYPT_PW abc", "GPG_DECRYPT_PW", "GPG is not supported"),
        ("GPG_REQUIRE_SIG N", "GPG_REQUIRE_SIG", "GPG is not supported"),
        ("DATA_COLLECT_MODE PCAP", "DATA_COLLECT_MODE", "old Perl"),
        ("ENABLE_CMD_EXEC_X Y", "ENABLE_CMD_EXEC_X", "old Perl"),
        ("OPEN_PORT tcp/22", "OPEN_PORT", "did you mean OPEN_PORTS?"),
        ("open_ports tcp/22", "open_ports", "did you mean OPEN_PORTS?"),
        ("FW_COLOUR red", "FW_COLOUR", "no such variable"),
        ("OPEN_PORTS tcp/20-25", "OPEN_PORTS", "1 to 65535"),
        ("OPEN_PORTS tcp/22,", "OPEN_PORTS", "tcp/22 or udp/1194"),
        ("OPEN_PORTS tcp/0", "OPEN_PORTS", "1 to 65535"),
        ("RESTRICT_PORTS icmp/8", "RESTRICT_PORTS", "tcp or udp"),
        ("OPEN_PORTS tcp/22\nRESTRICT_PORTS tcp/22", "RESTRICT_PORTS", "grants nothing"),
        ("DESTINATION 10.0.0.1,,10.0.0.2", "DESTINATION", "'': write an IPv4"),
        ("DESTINATION 10.0.0.1/255.0.255.0", "DESTINATION", "holes"),
        ("DESTINATION ::1/255.0.0.0", "DESTINATION", "IPv4 address before"),
        ("DESTINATION 10.0.0.1/255.0.0.256", "DESTINATION", "no mask"),
        ("DESTINATION !10.0.0.0/8", "DESTINATION", "negation is not part of fwknop"),
        ("FW_ACCESS_TIMEOUT -5", "FW_ACCESS_TIMEOUT", "'-5': must be 1 to 8388608"),
        ("MAX_FW_TIMEOUT 8388609", "MAX_FW_TIMEOUT", "must be 1 to 8388608"),
        ("HMAC_DIGEST_TYPE sha224", "HMAC_DIGEST_TYPE", "one of md5"),
        ("ENCRYPTION_MODE PCBC", "ENCRYPTION_MODE", "one of cbc"),
        ("ACCESS_EXPIRE 2037-12-31", "ACCESS_EXPIRE", "no date"),
        ("ACCESS_EXPIRE 02/29/2037", "ACCESS_EXPIRE", "no date"),
        ("ACCESS_EXPIRE 1/2/203", "ACCESS_EXPIRE", "no date"),
        ("ACCESS_EXPIRE_EPOCH +15", "ACCESS_EXPIRE_EPOCH", "no date"),
        ("ACCESS_EXPIRE_EPOCH 999999999999", "ACCESS_EXPIRE_EPOCH", "no date"),
        ("HMAC_KEY_BASE64 AAAABBBBCCCC", "HMAC_KEY_BASE64", "hmac_key and hmac_key_base64"),
        ("REQUIRE_USERNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "REQUIRE_USERNAME", "48 bytes"),
    ] {
        let line = 4 + u32::try_from(lines.matches('\n').count()).unwrap();
        demand(both(&format!("SOURCE ANY\n{KEYS}{lines}\n"), ""), line, Some(variable), fragment);
    }
    demand(both(&format!("SOURCE localhost\n{KEYS}"), ""), 1, Some("SOURCE"), "'localhost': write an IPv4");
    demand(both(&format!("SOURCE 10.0.0.0/33\n{KEYS}"), ""), 1, Some("SOURCE"), "at most 32");
}

#[test]
fn what_changes_nobodys_access_is_no_problem() {
    for line in [
        "FORCE_MASQUERADE N",
        "DISABLE_DNAT n",
        "FORWARD_ALL no",
        "FORWARD_ALL Y",
        "DISABLE_DNAT Y",
        "ENABLE_CMD_EXEC N",
        "ENABLE_CMD_SUDO_EXEC N",
        "CMD_EXEC_USER nobody",
        "CMD_SUDO_EXEC_GROUP root",
        "keytype KEY",
        "hkeytype HMAC_KEY",
    ] {
        let plain = access(&format!("SOURCE ANY\n{KEYS}OPEN_PORTS tcp/22\n"));
        assert_eq!(access(&format!("SOURCE ANY\n{KEYS}OPEN_PORTS tcp/22\n{line}\n")), plain, "{line}");
    }
}

#[test]
fn lines_that_are_none_are_named_by_their_number() {
    let long = format!("REQUIRE_USERNAME {}", "u".repeat(1007));
    for (line, fragment) in [
        ("OPEN_PORTS", "no variable with a value"),
        ("OPEN_PORTS ; tcp/22", "no variable"),
        (&long, "longer than 1023"),
    ] {
        demand(both(&format!("SOURCE ANY\n{KEYS}{line}\n"), ""), 4, None, fragment);
    }
    demand(
        both(&format!("OPEN_PORTS tcp/22\nSOURCE ANY\n{KEYS}"), ""),
        1,
        Some("OPEN_PORTS"),
        "before the first SOURCE",
    );
    demand(
        both("# nothing\n", "").map_err(|mut problems| {
            assert_eq!(problems[0].line.replace(1), None);
            problems
        }),
        1,
        None,
        "no stanza",
    );
    let junk = Folder::new(&[("access.conf", b"SOURCE ANY\nKEY OpenSesame-2024\nREQUIRE_USERNAME \xff\xfe\n")]);
    demand(junk.import(), 3, Some("REQUIRE_USERNAME"), "not UTF-8");
}

#[test]
fn no_key_is_told() {
    let secrets = [
        "OpenSesame-2024",
        "b64!",
        "Hm@cSecret-77-x",
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
        "GpgSecret",
        "lonelysecret",
    ];
    for text in [
        "SOURCE ANY\nKEY OpenSesame-2024\nHMAC_KEY OpenSesame-2024\n",
        "SOURCE ANY\nKEY_BASE64 b64!\n",
        "SOURCE ANY\nKEY kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\n",
        "SOURCE ANY\nKEY OpenSesame-2024\nKEY_BASE64 b64!\nHMAC_KEY Hm@cSecret-77-x\n",
        "SOURCE ANY\nGPG_DECRYPT_PW GpgSecret\n",
        "SOURCE ANY\nKEY:OpenSesame-2024\n",
        "SOURCE ANY\nKYE OpenSesame-2024\n",
        "SOURCE ANY\nKEY OpenSesame-2024\nlonelysecret\nlonelysecret x\nHMAC_KEY:Hm@cSecret-77-x y\n",
        "KEY OpenSesame-2024\n",
    ] {
        let problems = both(text, "").unwrap_err();
        let shown = format!("{problems:?} {}", problems.iter().map(ToString::to_string).collect::<String>());
        for secret in secrets {
            assert!(!shown.contains(secret), "{text}\n{shown}");
        }
    }
    let imported = both(&format!("SOURCE ANY\n{KEYS}KEY Sesame-2025\n"), "").unwrap();
    assert!(!format!("{imported:?}").contains("esame") && !imported.notes.concat().contains("esame"));
}
