//! What the router's kernel holds, read back with nft.

use std::time::Duration;

use serde_json::Value;

use super::{Lab, Place, wait_for};

/// One element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// The table that holds the set.
    pub(crate) table: String,
    /// The set.
    pub(crate) set: String,
    /// The key's parts as nft writes them; a range of addresses as `ADDRESS/LENGTH`.
    pub(crate) key: Vec<String>,
    /// The life it was given, in seconds.
    pub(crate) timeout: u64,
    /// The life that is left, in seconds.
    pub(crate) expires: u64,
    /// Whose grant it is.
    pub(crate) comment: String,
}

impl Lab {
    /// Every element with a timeout in the router, in nft's order.
    pub(crate) fn elements(&self) -> Vec<Element> {
        let text = self.run(Place::Router, "nft", &["-j", "list", "ruleset"]);
        let ruleset: Value = serde_json::from_str(&text).expect("JSON from nft");
        let objects = ruleset["nftables"].as_array().expect("a list from nft");
        objects
            .iter()
            .filter_map(|object| object.get("set").or_else(|| object.get("map")))
            .flat_map(|set| {
                let elements = set["elem"].as_array().map_or(&[][..], Vec::as_slice);
                elements.iter().map(|element| read(set, element))
            })
            .collect()
    }

    /// The element with this key in this set, whatever the table.
    pub(crate) fn element(&self, set: &str, key: &[&str]) -> Option<Element> {
        self.elements().into_iter().find(|element| element.set == set && element.key == key)
    }

    /// Waits until the set holds the element.
    pub(crate) fn wait_element(&self, set: &str, key: &[&str]) -> Element {
        wait_for(&format!("{key:?} in {set}"), Duration::from_secs(3), || self.element(set, key))
    }

    /// Loads a ruleset in nft's language into the router.
    pub(crate) fn nft(&self, ruleset: &str) {
        let file = self.dir().join("ruleset.nft");
        std::fs::write(&file, ruleset).expect("write the ruleset");
        self.run(Place::Router, "nft", &["-f", &file.to_string_lossy()]);
    }
}

fn read(set: &Value, element: &Value) -> Element {
    // A map's element is a pair of key and data.
    let element = element.get(0).unwrap_or(element);
    let body = element.get("elem").unwrap_or(element);
    let value = body.get("val").unwrap_or(body);
    let parts = value["concat"].as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    Element {
        table: set["table"].as_str().unwrap_or_default().to_owned(),
        set: set["name"].as_str().unwrap_or_default().to_owned(),
        key: parts.iter().map(part).collect(),
        timeout: body["timeout"].as_u64().unwrap_or(0),
        expires: body["expires"].as_u64().unwrap_or(0),
        comment: body["comment"].as_str().unwrap_or_default().to_owned(),
    }
}

/// One part of a key as text.
fn part(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => match object.get("prefix") {
            Some(prefix) => format!("{}/{}", prefix["addr"].as_str().unwrap_or_default(), prefix["len"]),
            None => value.to_string(),
        },
        other => other.to_string(),
    }
}
