//! The shared fwknop vectors: each server that they describe is imported, or refused by name.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};
use spa_knockd::access::Snat;
use spa_knockd::config::Config;

use super::{Folder, both, configuration};

/// Configuration vectors that fwknop accepts and this daemon refuses, with the variable that it names.
const LATER_FILES: [(&str, &str); 3] = [
    ("shared-conf-05-all-simple", "ENABLE_CMD_EXEC"),
    ("shared-conf-44-cycle", "CMD_CYCLE_OPEN"),
    ("shared-conf-46-cycle-none", "CMD_CYCLE_OPEN"),
];

/// Packet vectors whose server this daemon refuses, with the variable that it names.
const LATER_SERVERS: [(&str, &str); 5] = [
    ("shared-pos-02-type0-command", "ENABLE_CMD_EXEC"),
    ("shared-pos-67-command-special", "ENABLE_CMD_EXEC"),
    ("shared-multi-09-cmd-second", "ENABLE_CMD_EXEC"),
    ("shared-neg-104-cmd-empty", "ENABLE_CMD_EXEC"),
    ("shared-neg-105-cmd-noip", "ENABLE_CMD_EXEC"),
];

fn vectors(group: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fwknop").join(group);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn later(table: &[(&str, &'static str)], id: &str) -> Option<&'static str> {
    table.iter().find(|(later, _)| *later == id).map(|(_, variable)| *variable)
}

#[test]
fn configuration_vectors() {
    let mut count = (0, 0);
    for vector in vectors("config-access.json")["config_vectors"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        let folder = Folder::new(&[("fwknopd.conf", vector["fwknopd_conf"].as_str().unwrap().as_bytes())]);
        let place = |text: &Value| text.as_str().unwrap().replace("@DIR@", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join("access.conf"), place(&vector["access_conf"])).unwrap();
        for (name, text) in vector["files"].as_object().unwrap() {
            std::fs::write(folder.path().join(name), place(text)).unwrap();
        }
        let result = folder.import();
        if let Some(variable) = later(&LATER_FILES, id) {
            let problems = result.unwrap_err();
            let named = problems
                .iter()
                .any(|problem| problem.variable.as_deref() == Some(variable) && problem.text.contains("list command"));
            assert!(named, "{id}\n{problems:#?}");
            count.0 += 1;
        } else if vector["expected_accept"].as_bool().unwrap() {
            let imported = result.unwrap_or_else(|problems| panic!("{id}\n{problems:#?}"));
            compare(id, &configuration(&imported), vector["stanzas"].as_array());
            count.1 += 1;
        } else {
            assert!(!result.unwrap_err().is_empty(), "{id}");
        }
    }
    assert_eq!(count, (LATER_FILES.len(), 19));
}

/// Compares with what fwknopd itself understood.
fn compare(id: &str, config: &Config, stanzas: Option<&Vec<Value>>) {
    let Some(stanzas) = stanzas else { return };
    assert_eq!(config.access.len(), stanzas.len(), "{id}");
    for (access, stanza) in config.access.iter().zip(stanzas) {
        assert_eq!(access.timeout.to_string(), stanza["FW_ACCESS_TIMEOUT"], "{id}");
        assert_eq!(access.max_timeout.to_string(), stanza["MAX_FW_TIMEOUT"], "{id}");
        assert_eq!(access.require_source_address, stanza["REQUIRE_SOURCE_ADDRESS"] == "Yes", "{id}");
        if let (Some(address), Some(port)) = (stanza["FORCE_NAT (ip)"].as_str(), stanza["FORCE_NAT (port)"].as_str()) {
            assert_eq!(
                access.forward.iter().map(|way| way.to.to_string()).collect::<Vec<_>>(),
                [format!("{address}:{port}")]
            );
        }
        assert_eq!(access.forward_all, stanza["FORWARD_ALL"] == "Yes", "{id}");
        assert_eq!(access.disable_dnat, stanza["DISABLE_DNAT"] == "Yes", "{id}");
        assert_eq!(access.snat == Some(Snat::Masquerade), stanza["FORCE_MASQUERADE"] == "Yes", "{id}");
        let length = access.keys[0].key.bytes().len().min(if access.keys[0].mode.name() == "legacy" { 16 } else { 32 });
        assert_eq!(length.to_string(), stanza["KEY_LEN"], "{id}");
        let hmac = access.keys[0].hmac.as_ref().map(|(_, key)| key.bytes().len().to_string());
        assert_eq!(hmac.as_deref(), stanza["HMAC_KEY_LEN"].as_str(), "{id}");
    }
}

/// A file of these variables, one a line; names that begin with `_` are hints of the vectors.
fn file(variables: Option<&Map<String, Value>>) -> String {
    let mut text = String::new();
    for (name, value) in variables.into_iter().flatten().filter(|(name, _)| !name.starts_with('_')) {
        let line = format!("{name} {}\n", value.as_str().unwrap());
        // SOURCE begins a stanza, wherever the vector has it.
        if name == "SOURCE" {
            text.insert_str(0, &line);
        } else {
            text.push_str(&line);
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn packet_vectors() {
    let mut refused = 0;
    for group in [
        "digests",
        "edge",
        "hmac",
        "keys",
        "message-types",
        "messages",
        "modes",
        "multi-stanza",
        "nat",
        "neg-crypto",
        "neg-fields",
        "neg-hmac",
        "neg-message",
        "neg-outer",
        "neg-policy",
        "neg-replay",
        "other",
        "transports",
        "usernames",
    ] {
        for vector in vectors(&format!("{group}.json"))["vectors"].as_array().unwrap() {
            let id = vector["id"].as_str().unwrap();
            let one = vec![vector.clone()];
            let stanzas = vector["stanzas"].as_array().unwrap_or(&one);
            let access: String = stanzas.iter().map(|stanza| file(stanza["access"].as_object())).collect();
            let result = both(&access, &file(vector["server_conf"].as_object()));
            if let Some(variable) = later(&LATER_SERVERS, id) {
                let problems = result.unwrap_err();
                assert!(
                    problems.iter().all(|problem| problem.text.contains("name each command")),
                    "{id}\n{problems:#?}"
                );
                assert!(
                    problems.iter().any(|problem| problem.variable.as_deref() == Some(variable)),
                    "{id}\n{problems:#?}"
                );
                refused += 1;
                continue;
            }
            let config = configuration(&result.unwrap_or_else(|problems| panic!("{id}\n{problems:#?}")));
            assert_eq!(config.access.len(), stanzas.len(), "{id}");
            for (access, stanza) in config.access.iter().zip(stanzas) {
                let keys = &access.keys[0];
                assert_eq!(hex(keys.key.bytes()), stanza["keys"]["encryption"]["hex"], "{id}");
                assert_eq!(keys.mode.name(), stanza["encryption_mode"], "{id}");
                let hmac = keys.hmac.as_ref().map(|(_, key)| hex(key.bytes()));
                assert_eq!(hmac.as_deref(), stanza["keys"]["hmac"]["hex"].as_str(), "{id}");
                let digest = keys.hmac.as_ref().map(|(digest, _)| digest.name());
                assert!(digest.is_none() || digest == stanza["hmac_type"].as_str(), "{id}");
            }
        }
    }
    assert_eq!(refused, LATER_SERVERS.len());
}

#[test]
fn gpg_is_refused_for_good() {
    for vector in vectors("gpg.json")["vectors"].as_array().unwrap() {
        let problems = both(&file(vector["access"].as_object()), "").unwrap_err();
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(problem.variable.as_deref().unwrap().starts_with("GPG_"), "{problem}");
            assert!(
                problem.text == "GPG is not supported by this daemon; use KEY_BASE64 and HMAC_KEY_BASE64",
                "{problem}"
            );
        }
    }
}
