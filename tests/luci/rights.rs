//! The rights of the pages are what they need, and no more; seeing, closing and keys are apart.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::{app, json, read, resources, scripts};

const STATUS: &str = "luci-app-spa-knockd-status";
const CONTROL: &str = "luci-app-spa-knockd-control";
const SECRETS: &str = "luci-app-spa-knockd";

/// Which right each method needs, and the pages' name for it.
const METHODS: [(&str, &str, &str, &str); 14] = [
    ("check", SECRETS, "read", "check"),
    ("events", STATUS, "read", "events"),
    ("explain", SECRETS, "read", "explain"),
    ("explain_capture", SECRETS, "read", "explainCapture"),
    ("grants", STATUS, "read", "grants"),
    ("keygen", SECRETS, "write", "keygen"),
    ("otp_add", SECRETS, "write", "otpAdd"),
    ("otp_card", SECRETS, "write", "otpCard"),
    ("otp_forgive", CONTROL, "write", "otpForgive"),
    ("otp_list", STATUS, "read", "otpList"),
    ("otp_remove", SECRETS, "write", "otpRemove"),
    ("otp_reset", SECRETS, "write", "otpReset"),
    ("revoke", CONTROL, "write", "revoke"),
    ("status", STATUS, "read", "status"),
];

fn rights() -> Value {
    json(&app().join("root/usr/share/rpcd/acl.d/luci-app-spa-knockd.json"))
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}

/// What stands in `scope` of every group: the group, `read` or `write`, and the value.
fn granted<'a>(rights: &'a Value, scope: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let groups = rights.as_object().expect("groups");
    let parts = groups.iter().flat_map(|(group, parts)| {
        let parts = parts.as_object().expect("a group").iter().filter(|(part, _)| *part != "description");
        parts.map(move |(part, scopes)| (group.as_str(), part.as_str(), scopes))
    });
    parts.filter_map(|(group, part, scopes)| Some((group, part, scopes.get(scope)?))).collect()
}

#[test]
fn each_method_is_granted_once_and_used() {
    let rights = rights();
    let scopes: BTreeSet<&String> = rights
        .as_object()
        .expect("groups")
        .values()
        .flat_map(|group| ["read", "write"].iter().filter_map(|part| group.get(part)?.as_object()))
        .flat_map(|scopes| scopes.keys())
        .collect();
    assert!(scopes.iter().all(|scope| ["ubus", "uci"].contains(&scope.as_str())), "no file, no program: {scopes:?}");
    let mut found: Vec<(&str, &str, &str)> = Vec::new();
    for (group, part, objects) in granted(&rights, "ubus") {
        let objects = objects.as_object().expect("objects");
        assert_eq!(objects.keys().collect::<Vec<_>>(), ["spa-knockd"]);
        found.extend(objects.values().flat_map(texts).map(|method| (method, group, part)));
    }
    found.sort_unstable();
    assert_eq!(found, METHODS.map(|(method, group, part, _)| (method, group, part)));

    let out = Command::new(env!("CARGO_BIN_EXE_spa-knockd")).args(["rpcd", "list"]).output().expect("the plugin");
    let listed: BTreeMap<String, Value> = serde_json::from_slice(&out.stdout).expect("the methods");
    assert!(listed.keys().eq(METHODS.iter().map(|(method, ..)| method)), "{listed:?}");

    let asks = "spa-knockd/rpc.js";
    let own = read(&resources().join(asks));
    let pages: Vec<_> = scripts().into_iter().filter(|(file, _)| file != asks).collect();
    for (method, _, _, name) in METHODS {
        assert!(own.contains(&format!("declare('{method}'")), "{asks} does not ask {method}");
        let used = pages.iter().any(|(_, source)| source.contains(&format!("knock.{name}(")));
        assert!(used, "no page asks {method}, which is granted");
    }
    assert!(pages.iter().all(|(_, source)| !source.contains("rpc.declare")), "only {asks} asks the router");
}

#[test]
fn each_configuration_is_granted_that_is_used() {
    let rights = rights();
    let found: Vec<_> =
        granted(&rights, "uci").into_iter().map(|(group, part, packages)| (group, part, texts(packages))).collect();
    let wanted = |packages: &[&'static str]| packages.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(
        found,
        [(SECRETS, "read", wanted(&["firewall", "spa-knockd"])), (SECRETS, "write", wanted(&["spa-knockd"]))]
    );
    let mut used = BTreeSet::new();
    for (_, source) in scripts() {
        for call in ["uci.load('", "uci.sections('", "uci.get('", "form.Map('", "const CONFIG = '"] {
            used.extend(source.split(call).skip(1).filter_map(|rest| rest.split('\'').next().map(str::to_owned)));
        }
    }
    assert_eq!(used, ["firewall", "spa-knockd"].map(str::to_owned).into());
}

#[test]
fn the_menu_leads_to_pages_for_those_who_may() {
    let rights = rights();
    let menu = json(&app().join("root/usr/share/luci/menu.d/luci-app-spa-knockd.json"));
    let mut shown = BTreeSet::new();
    for (path, entry) in menu.as_object().expect("entries") {
        assert!(path.starts_with("admin/services/spa-knockd"), "{path}");
        assert!(entry["title"].as_str().is_some_and(|title| !title.is_empty()), "{path}");
        if let Some(page) = entry["action"]["path"].as_str() {
            assert!(resources().join("view").join(page).with_extension("js").is_file(), "{path} leads to no page");
            let groups = texts(&entry["depends"]["acl"]);
            assert!(!groups.is_empty() && groups.iter().all(|group| rights.get(group).is_some()), "{path}: {groups:?}");
            shown.insert(page.to_owned());
        } else {
            assert_eq!(entry["action"]["type"], "firstchild");
        }
    }
    let pages =
        scripts().into_iter().filter_map(|(file, _)| Some(file.strip_prefix("view/")?.strip_suffix(".js")?.to_owned()));
    assert_eq!(shown, pages.collect());
    // Who may only look must not need the right that shows keys.
    let status = &menu["admin/services/spa-knockd/status"];
    assert_eq!(texts(&status["depends"]["acl"]), [STATUS].into());
}

#[test]
fn the_plugin_is_the_program() {
    let plugin = app().join("root/usr/libexec/rpcd/spa-knockd");
    let mode = plugin.metadata().expect("the plugin").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let last = read(&plugin).lines().last().map(str::to_owned);
    assert_eq!(last.as_deref(), Some("exec /usr/sbin/spa-knockd rpcd \"$@\""));
}
