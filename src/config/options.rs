//! Every option that a configuration may have: its name, its shape, and whether it is a secret.

/// What the parser knows about an option before it looks at the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name in the file.
    pub name: &'static str,
    /// Whether it may have several values.
    pub list: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Where this version does not have the feature: the values that do not ask for it. Anything
    /// else is refused, because an ignored option would change who gets in.
    pub off: Option<&'static [&'static str]>,
}

/// The spellings of "no" that UCI users write.
pub(crate) const NO: &[&str] = &["0", "off", "false", "no", "disabled"];

/// The spellings of "yes" that UCI users write.
pub(crate) const YES: &[&str] = &["1", "on", "true", "yes", "enabled"];

/// An option with one value.
const fn single(name: &'static str) -> Known {
    Known { name, list: false, secret: false, off: None }
}

/// An option with several values.
const fn list(name: &'static str) -> Known {
    Known { list: true, ..single(name) }
}

/// An option whose value is a key.
const fn secret(name: &'static str) -> Known {
    Known { secret: true, ..single(name) }
}

/// An option of a feature that is not there yet.
const fn later(name: &'static str, off: &'static [&'static str]) -> Known {
    Known { off: Some(off), ..single(name) }
}

/// The options of `config spa-knockd 'main'`.
pub const MAIN: &[Known] = &[
    single("enabled"),
    list("network"),
    list("device"),
    list("zone"),
    list("port"),
    list("transport"),
    single("tcp_listen"),
    single("max_age"),
    single("max_timeout"),
    single("firewall"),
    list("protect"),
    single("ring_kib"),
    single("any_user_agent"),
    single("trust_forwarded_for"),
    single("log_level"),
    single("jail"),
];

/// The options of `config access 'NAME'`.
pub const ACCESS: &[Known] = &[
    single("enabled"),
    later("format", &["fwknop"]),
    secret("key"),
    secret("key_base64"),
    secret("hmac_key"),
    secret("hmac_key_base64"),
    secret("next_key_base64"),
    secret("next_hmac_key_base64"),
    single("hmac_digest"),
    single("encryption_mode"),
    list("source"),
    list("destination"),
    list("open"),
    list("restrict"),
    list("forward"),
    single("allow_nat"),
    single("allow_local_nat"),
    list("nat_target"),
    single("nat_dns"),
    single("forward_all"),
    single("disable_dnat"),
    single("snat"),
    single("match_destination"),
    list("command"),
    single("command_user"),
    single("on_open"),
    single("on_close"),
    single("timeout"),
    single("max_timeout"),
    single("require_source_address"),
    single("require_username"),
    single("prefix_v4"),
    single("prefix_v6"),
    single("expires"),
];

/// The options of `config otp 'NAME'`.
pub const OTP: &[Known] = &[
    single("enabled"),
    list("source"),
    list("open"),
    list("forward"),
    single("forward_all"),
    single("disable_dnat"),
    single("snat"),
    single("timeout"),
    single("allow_override"),
    list("override_range"),
    single("allow_md4"),
    single("allow_new_chain"),
    single("prefix_v4"),
    single("prefix_v6"),
    single("expires"),
];

/// The options of `config page 'page'`.
pub const PAGE: &[Known] = &[
    single("enabled"),
    list("plain_from"),
    list("plain_network"),
    list("proxy"),
    list("host"),
    single("port"),
    single("plain_port"),
    single("cert"),
    single("key"),
    list("listen"),
];

/// The option of this name.
pub(crate) fn find(table: &'static [Known], name: &str) -> Option<&'static Known> {
    table.iter().find(|known| known.name == name)
}

/// What the writer of an unknown word most likely meant; `None` where nothing is near.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let limit = if word.len() < 5 { 1 } else { 2 };
    known
        .map(|name| (distance(&word, &name.to_ascii_lowercase().replace('-', "_")), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be put in, taken out or changed (Levenshtein); long words are far away.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 32;
    if one.len() > LONGEST || other.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, candidate) in row.iter().skip(1).zip(other.bytes()) {
            let changed = diagonal + usize::from(byte != candidate);
            left = changed.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("open", "opens", 1)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
        assert_eq!(distance(&"a".repeat(33), "a"), usize::MAX);
    }

    #[test]
    fn near_misses_are_recognised() {
        let names = || ACCESS.iter().map(|known| known.name);
        assert_eq!(nearest("timeot", names()), Some("timeout"));
        assert_eq!(nearest("OPEN", names()), Some("open"));
        assert_eq!(nearest("hmac-key", names()), Some("hmac_key"));
        assert_eq!(nearest("colour", names()), None);
    }
}
