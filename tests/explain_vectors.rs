//! Every recorded packet of fwknop goes the way of a user: its access.conf through `import`, then through `explain`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Vectors whose server runs any command of a client: `import` refuses them by that name, with the remedy.
const REFUSED: &[(&str, &str)] = &[
    ("shared-neg-104-cmd-empty", "ENABLE_CMD_EXEC"),
    ("shared-neg-105-cmd-noip", "ENABLE_CMD_EXEC"),
    ("shared-pos-02-type0-command", "ENABLE_CMD_EXEC"),
    ("shared-pos-67-command-special", "ENABLE_CMD_EXEC"),
    ("shared-multi-09-cmd-second", "ENABLE_CMD_EXEC"),
];

/// Reasons that the vectors' words for a stage may show as.
fn reasons(stage: &str) -> &'static [&'static str] {
    match stage {
        "timestamp" => &["too_old", "too_new"],
        // An IPv6 address to open for is well formed, and refused because the packet came over IPv4.
        "message" => &["message", "family"],
        "nat" => &["nat"],
        "policy" => &[
            "source_address_required",
            "username",
            "port_not_allowed",
            "port_restricted",
            "command_not_allowed",
            "nat_not_allowed",
            "local_nat_not_allowed",
            "nat_target",
            "nat_name",
        ],
        "size" => &["size"],
        "prefix" => &["prefix"],
        "base64" => &["base64"],
        "http" => &["http"],
        "source" => &["source"],
        "expired" => &["expired"],
        "hmac" => &["hmac"],
        "decrypt" => &["decrypt"],
        "digest" => &["digest"],
        "fields" => &["fields", "base64", "decrypt", "nat"],
        "replay" => &["replay"],
        other => panic!("the vectors name a stage that is new here: {other}"),
    }
}

/// A directory of its own that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spa-explain-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn spa_knockd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The vectors of one file, or of all.
fn vectors(group: Option<&str>) -> Vec<(String, Value)> {
    let mut vectors = Vec::new();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/fwknop")).unwrap() {
        let file = file.unwrap().path();
        let stem = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if group.map_or(stem == "gpg", |group| group != stem) {
            continue;
        }
        let json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for vector in json["vectors"].as_array().unwrap() {
            vectors.push((vector["id"].as_str().unwrap().to_owned(), vector.clone()));
        }
    }
    vectors.sort_by(|(left, _), (right, _)| left.cmp(right));
    vectors
}

/// The access.conf of a vector: SOURCE begins a stanza, names that begin with `_` are not fwknop's.
fn access_conf(vector: &Value) -> String {
    let one = std::slice::from_ref(vector);
    let stanzas = vector["stanzas"].as_array().map_or(one, Vec::as_slice);
    let mut conf = String::new();
    for stanza in stanzas {
        let access = stanza["access"].as_object().unwrap();
        conf.push_str(&format!("SOURCE {}\n", access["SOURCE"].as_str().unwrap()));
        for (name, value) in access.iter().filter(|(name, _)| *name != "SOURCE" && !name.starts_with('_')) {
            conf.push_str(&format!("{name} {}\n", value.as_str().unwrap()));
        }
    }
    conf
}

fn fwknopd_conf(vector: &Value) -> String {
    let variables = vector["server_conf"].as_object().into_iter().flatten();
    variables.map(|(name, value)| format!("{name} {};\n", value.as_str().unwrap())).collect()
}

fn import(scratch: &Scratch, vector: &Value) -> Output {
    let access = scratch.write("access.conf", access_conf(vector));
    let fwknopd = scratch.write("fwknopd.conf", fwknopd_conf(vector));
    spa_knockd(&["import", "--access", text(&access), "--fwknopd", text(&fwknopd)])
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What `explain` says of the vector's last packet.
fn explain(scratch: &Scratch, vector: &Value, config: &Path) -> Value {
    let packets = vector["packets"].as_array().unwrap();
    let last = packets.last().unwrap();
    let field = |name: &str| last[name].as_str().unwrap().to_owned();
    let transport = match field("transport").as_str() {
        "http" => "tcp".to_owned(),
        transport => transport.to_owned(),
    };
    let mut arguments = vec!["explain".to_owned(), "--json".to_owned(), "--config".to_owned(), text(config).to_owned()];
    arguments.extend(["--now".to_owned(), vector["now"].to_string()]);
    arguments.extend(["--src".to_owned(), field("src_ip"), "--dst".to_owned(), field("dst_ip")]);
    arguments.extend(["--proto".to_owned(), transport]);
    if let Some(port) = last["dst_port"].as_u64() {
        arguments.extend(["--dport".to_owned(), port.to_string()]);
    }
    for (index, packet) in packets.iter().enumerate() {
        let path = scratch.write(&format!("packet-{index}"), unhex(&packet["payload_hex"]));
        arguments.push(text(&path).to_owned());
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let out = spa_knockd(&arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8(out.stdout).unwrap();
    assert_eq!(lines.lines().count(), packets.len());
    serde_json::from_str(lines.lines().last().unwrap()).unwrap()
}

#[test]
fn every_vector_of_this_version_is_judged_as_it_says() {
    let scratch = Scratch::new("vectors");
    let mut judged = 0;
    for (id, vector) in vectors(None) {
        if REFUSED.iter().any(|(later, _)| *later == id) {
            continue;
        }
        let imported = import(&scratch, &vector);
        assert!(imported.status.success(), "{id}: {}", String::from_utf8_lossy(&imported.stderr));
        let config = scratch.write("config", imported.stdout);
        let said = explain(&scratch, &vector, &config);
        let expected = &vector["expected"];
        match expected["verdict"].as_str().unwrap() {
            "accept" => accepted(&id, expected, &said),
            _ => {
                assert_eq!(said["verdict"], "refuse", "{id}: {said}");
                let reason = said["reason"].as_str().unwrap();
                if let Some(stage) = expected["stage"].as_str() {
                    assert!(reasons(stage).contains(&reason), "{id}: {reason} for {stage}");
                }
            }
        }
        judged += 1;
    }
    assert_eq!(judged + REFUSED.len(), 219, "every vector but those of GPG has its place");
}

/// Compares what the vector knows with what was said.
fn accepted(id: &str, expected: &Value, said: &Value) {
    assert_eq!(said["verdict"], "grant", "{id}: {said}");
    assert_eq!(said["reason"], Value::Null, "{id}");
    for (ours, theirs) in [
        ("user", "username"),
        ("timestamp", "timestamp"),
        ("version", "version"),
        ("type", "message_type"),
        ("message", "message"),
        ("digest", "digest_type"),
    ] {
        let theirs = &expected["fields"][theirs];
        assert!(theirs.is_null() || said["fields"][ours] == *theirs, "{id}: {ours} {said}");
    }
    if let Some(stanza) = expected["stanza"].as_u64() {
        assert_eq!(said["stanzas"].as_array().unwrap().len() as u64, stanza, "{id}: {said}");
    }
    if let Some(source) = expected["rule_source"].as_str() {
        assert_eq!(said["grants"][0]["source"], source, "{id}");
    }
    let effect = &expected["effect"];
    if effect.is_null() {
        return;
    }
    let grants = said["grants"].as_array().unwrap();
    for grant in grants {
        assert_eq!(grant["source"], effect["source"], "{id}");
        assert_eq!(grant["timeout"], effect["lifetime_seconds"], "{id}");
    }
    let of_kind = |kinds: &[&str]| -> Vec<String> {
        let found = grants.iter().filter(|grant| kinds.contains(&grant["kind"].as_str().unwrap()));
        let port = |grant: &Value| format!("{}/{}", grant["proto"].as_str().unwrap(), grant["port"].as_u64().unwrap());
        found.map(port).collect()
    };
    // No name is looked up unasked.
    let name = effect["nat"].as_str().and_then(|nat| nat.split_once(',')).map(|(host, _)| host);
    let name = name.filter(|host| host.parse::<std::net::IpAddr>().is_err());
    assert_eq!(said["awaits"].as_str(), name, "{id}");
    let Some(nat) = effect["nat"].as_str() else {
        assert_eq!(serde_json::to_value(of_kind(&["input"])).unwrap(), effect["ports"], "{id}");
        assert!(grants.iter().all(|grant| grant["kind"] == "input"), "{id}");
        return;
    };
    let (_, inside) = nat.split_once(',').unwrap();
    let local = [5, 6].contains(&said["fields"]["type"].as_u64().unwrap());
    assert_eq!(serde_json::to_value(of_kind(&["dnat"])).unwrap(), effect["ports"], "{id}");
    assert_eq!(of_kind(&[if local { "input" } else { "forward" }]), [format!("tcp/{inside}")], "{id}");
    assert_eq!(grants.len(), 2, "{id}");
    assert!(grants.iter().all(|grant| grant["to"] == nat.replace(',', ":")), "{id}");
}

#[test]
fn captured_tells_what_the_capture_or_the_listener_would_hear() {
    let scratch = Scratch::new("captured");
    let said = |main: &str, packet: &[&str], length: usize| {
        let key = "HmUuwVLQv81lGQ/8YEwJM9BCM4HeJsgtnLJVzBJMMGw=";
        let config = format!(
            "config spa-knockd 'main'\n\toption enabled '1'\n\tlist device 'wan'\n{main}\n\
             config access 'alice'\n\toption key_base64 '{key}'\n\tlist open 'tcp/22'\n"
        );
        let (config, payload) = (scratch.write("config", config), scratch.write("payload", vec![b'A'; length]));
        let arguments = [&["explain", "--json", "--config", text(&config)], packet, &[text(&payload)]].concat();
        let out = spa_knockd(&arguments);
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        said["captured"].as_bool().unwrap()
    };
    let (http, listen) = ("\tlist transport 'http'\n", "\toption tcp_listen '443'\n");
    for (main, packet, length, captured) in [
        ("", &["--proto", "udp"][..], 200, true),
        ("", &["--proto", "tcp"], 200, false),
        ("", &["--proto", "icmp"], 200, false),
        ("\tlist transport 'icmp'\n", &["--proto", "icmp"], 200, true),
        (http, &["--proto", "tcp"], 200, true),
        (http, &["--proto", "udp"], 200, false),
        (http, &["--proto", "tcp"], 139, false),
        (http, &["--proto", "tcp"], 1501, false),
        (http, &["--proto", "tcp", "--dport", "443"], 200, false),
        (listen, &["--proto", "tcp", "--dport", "443"], 200, true),
        (listen, &["--proto", "udp", "--dport", "443"], 200, false),
        (listen, &["--proto", "tcp"], 200, false),
        (listen, &["--proto", "udp"], 200, true),
    ] {
        assert_eq!(said(main, packet, length), captured, "{main} {packet:?} {length}");
    }
}

#[test]
fn what_has_to_be_said_otherwise_is_refused_by_its_name() {
    let scratch = Scratch::new("later");
    let vectors = vectors(None);
    for (wanted, variable) in REFUSED {
        let (_, vector) = vectors.iter().find(|(id, _)| id == wanted).expect(wanted);
        let imported = import(&scratch, vector);
        let problems = String::from_utf8_lossy(&imported.stderr);
        assert_eq!(imported.status.code(), Some(1), "{wanted}");
        assert!(imported.stdout.is_empty(), "{wanted}");
        assert!(problems.contains(variable) && problems.contains("list command"), "{wanted}: {problems}");
    }
}

#[test]
fn gpg_is_refused_for_good() {
    let scratch = Scratch::new("gpg");
    let vectors = vectors(Some("gpg"));
    assert_eq!(vectors.len(), 7);
    for (id, vector) in vectors {
        let imported = import(&scratch, &vector);
        let problems = String::from_utf8_lossy(&imported.stderr);
        assert_eq!(imported.status.code(), Some(1), "{id}");
        assert!(problems.contains("GPG is not supported"), "{id}: {problems}");
        let key = vector["access"]["HMAC_KEY_BASE64"].as_str();
        assert!(key.is_none_or(|key| !problems.contains(key)), "{id}: a key is printed");
    }
}
