//! The keys of a stanza: present and next, as passphrase or base64. No message holds any of them.

use super::fault::Complaint;
use super::section::Options;
use crate::knock::fwknop::base64;
use crate::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};
use crate::limits::{HMAC_KEY_MAX, HMAC_PASSPHRASE_MAX, KEY_MAX};

/// Keys below this length are warned about, in bytes: people can guess them by trying.
const SHORT: usize = 8;

/// What a key option holds.
enum Found {
    /// No option, or a placeholder where that is allowed.
    Nothing,
    /// A mistake, which was reported.
    Wrong,
    /// A key.
    Key(Secret),
}

impl Found {
    fn key(self) -> Option<Secret> {
        match self {
            Self::Key(key) => Some(key),
            Self::Nothing | Self::Wrong => None,
        }
    }
}

/// The key sets of a stanza, the present one first; empty where the present key is missing or wrong.
///
/// A stanza that is not enabled may come without keys, as the sample does.
pub(super) fn read(options: &mut Options<'_>, enabled: bool) -> Vec<KeySet> {
    let mode = options.one("encryption_mode", mode).unwrap_or_default();
    let digest = options.one("hmac_digest", digest).unwrap_or_default();
    let key = either(options, ["key", "key_base64"], [KEY_MAX, KEY_MAX], enabled);
    if enabled && matches!(key, Found::Nothing) {
        let complaint = "there is no encryption key";
        options.refuse(
            "key_base64",
            Complaint::new(complaint, "make keys with spa-knockd keygen and give the client the same"),
        );
    }
    let limits = [HMAC_PASSPHRASE_MAX, HMAC_KEY_MAX];
    let hmac = either(options, ["hmac_key", "hmac_key_base64"], limits, enabled);
    let hmac_wanted = !matches!(hmac, Found::Nothing);
    if enabled && !hmac_wanted {
        options.warn(
            "hmac_key_base64",
            Complaint::new(
                "without an HMAC key nothing proves that a packet was not altered",
                "make one with spa-knockd keygen and give the client the same",
            ),
        );
    }
    warn_of_mode(options, mode);
    let next = next(options, hmac_wanted);
    let Some(key) = key.key() else {
        return Vec::new();
    };
    let name = if options.has("key") { "key" } else { "key_base64" };
    let hmac = hmac.key();
    warn_of_length(options, name, &key, mode);
    if let Some(hmac) = &hmac {
        let name = if options.has("hmac_key") { "hmac_key" } else { "hmac_key_base64" };
        warn_of_length(options, name, hmac, Mode::Cbc);
        differ(options, name, &key, hmac);
    }
    let mut sets = vec![KeySet { mode, key, hmac: hmac.map(|hmac| (digest, hmac)) }];
    if let Some((key, hmac)) = next {
        let next = KeySet { mode, key, hmac: hmac.map(|hmac| (digest, hmac)) };
        warn_of_length(options, "next_key_base64", &next.key, mode);
        if let Some((_, hmac)) = &next.hmac {
            warn_of_length(options, "next_hmac_key_base64", hmac, Mode::Cbc);
            differ(options, "next_hmac_key_base64", &next.key, hmac);
        }
        if sets.contains(&next) {
            let complaint =
                Complaint::new("the next keys are the present ones", "make new ones with spa-knockd keygen");
            options.refuse("next_key_base64", complaint);
        }
        sets.push(next);
    }
    sets
}

/// The next keys, which take mode and digest of the stanza; both or none where the stanza has an
/// HMAC key, so that a rotation never ends without one.
fn next(options: &mut Options<'_>, hmac_wanted: bool) -> Option<(Secret, Option<Secret>)> {
    let key = one(options, "next_key_base64", KEY_MAX, true);
    let hmac = one(options, "next_hmac_key_base64", HMAC_KEY_MAX, true);
    match (&key, &hmac) {
        (Found::Nothing, Found::Key(_) | Found::Wrong) => options.refuse(
            "next_hmac_key_base64",
            Complaint::new("it has no next_key_base64 beside it", "give both next keys or none"),
        ),
        (Found::Key(_) | Found::Wrong, Found::Nothing) if hmac_wanted => options.refuse(
            "next_key_base64",
            Complaint::new(
                "it has no next_hmac_key_base64 beside it, and the stanza has an HMAC key",
                "give both next keys; a key that stays is given again",
            ),
        ),
        _ => {}
    }
    let wrong = matches!(hmac, Found::Wrong);
    let (key, hmac) = (key.key()?, hmac.key());
    (!wrong).then_some((key, hmac))
}

/// One key out of two options that exclude each other.
fn either(options: &mut Options<'_>, names: [&'static str; 2], limits: [usize; 2], enabled: bool) -> Found {
    let [text, encoded] = names;
    let [text_limit, encoded_limit] = limits;
    if options.has(text) && options.has(encoded) {
        let complaint = format!("the stanza has {text} and {encoded}");
        options.refuse(encoded, Complaint::new(complaint, "keep the one that the client has"));
        return Found::Wrong;
    }
    if options.has(text) {
        return one(options, text, text_limit, enabled);
    }
    one(options, encoded, encoded_limit, enabled)
}

/// The key of one option; its name says whether it is base64.
fn one(options: &mut Options<'_>, name: &'static str, limit: usize, enabled: bool) -> Found {
    let Some(entry) = options.entry(name) else {
        return Found::Nothing;
    };
    if [&b"__CHANGEME__"[..], b"CHANGEME"].contains(&entry.value.bytes()) {
        if !enabled {
            return Found::Nothing;
        }
        options.refuse(name, Complaint::new("the placeholder was never changed", "make keys with spa-knockd keygen"));
        return Found::Wrong;
    }
    let key = if name.ends_with("base64") {
        let decoded = entry.value.text().and_then(base64::decode_option);
        let Some(mut decoded) = decoded else {
            let remedy = "copy it whole, with or without the = at its end, or write a passphrase without _base64";
            options.refuse(name, Complaint::new("is not base64", remedy));
            return Found::Wrong;
        };
        Secret::new(std::mem::take(&mut *decoded))
    } else {
        Secret::new(entry.value.bytes().to_vec())
    };
    if key.bytes().is_empty() || key.bytes().len() > limit {
        let problem = format!("the key must have 1 to {limit} bytes");
        options.refuse(name, Complaint::new(problem, "make keys with spa-knockd keygen"));
        return Found::Wrong;
    }
    Found::Key(key)
}

/// Refuses an HMAC key that is the encryption key too, as fwknop does.
fn differ(options: &mut Options<'_>, name: &str, key: &Secret, hmac: &Secret) {
    if key == hmac {
        let complaint =
            Complaint::new("the HMAC key and the encryption key are the same", "make two with spa-knockd keygen");
        options.refuse(name, complaint);
    }
}

fn warn_of_length(options: &mut Options<'_>, name: &str, key: &Secret, mode: Mode) {
    let length = key.bytes().len();
    if length < SHORT {
        let problem = format!("the key has only {length} bytes and can be guessed");
        options.warn(name, Complaint::new(problem, "make keys with spa-knockd keygen"));
    }
    if mode == Mode::Legacy && length > 16 {
        let problem = "with encryption_mode 'legacy' only the first 16 bytes of the key count";
        options.warn(name, Complaint::new(problem, "update the client and write encryption_mode 'cbc'"));
    }
}

fn warn_of_mode(options: &mut Options<'_>, mode: Mode) {
    let problem = match mode {
        Mode::Ecb => "equal blocks of a knock stay equal when encrypted with 'ecb'",
        Mode::Legacy => "'legacy' is the weak key handling of clients before fwknop 2.5",
        Mode::Cbc | Mode::Cfb | Mode::Ofb | Mode::Ctr => return,
    };
    options.warn("encryption_mode", Complaint::new(problem, "write 'cbc' here and in the client"));
}

fn mode(text: &str) -> Result<Mode, Complaint> {
    text.parse().map_err(|problem| Complaint::new(problem, "write 'cbc', which every client has"))
}

fn digest(text: &str) -> Result<DigestType, Complaint> {
    text.parse().map_err(|problem| Complaint::new(problem, "write 'sha256', the default of the client"))
}
