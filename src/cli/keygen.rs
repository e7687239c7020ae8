//! `spa-knockd keygen`: fresh keys, in the lines that fwknop's tools print.

use argh::FromArgs;
use serde::Serialize;
use spa_knockd::knock::fwknop::base64;
use spa_knockd::knock::fwknop::keygen::generate;
use spa_knockd::knock::fwknop::keys::DigestType;

use zeroize::Zeroizing;

use super::{Failure, say, say_json};

/// make a fresh encryption key and HMAC key, for a stanza and its client
#[derive(FromArgs)]
#[argh(subcommand, name = "keygen")]
pub(super) struct Arguments {
    /// the HMAC digest that the key is for (default sha256)
    #[argh(option, default = "DigestType::Sha256", from_str_fn(digest))]
    hmac_digest: DigestType,
    /// print one JSON object
    #[argh(switch)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Keys<'a> {
    key_base64: &'a str,
    hmac_key_base64: &'a str,
}

fn digest(text: &str) -> Result<DigestType, String> {
    text.parse().map_err(str::to_owned)
}

/// An encryption key and an HMAC key, in base64.
pub(super) fn fresh(hmac_digest: DigestType) -> Result<(Zeroizing<String>, Zeroizing<String>), Failure> {
    let keys = generate(hmac_digest).map_err(|error| format!("no random bytes: {error}"))?;
    let hmac_key = keys.hmac.as_ref().map_or(&[][..], |(_, key)| key.bytes());
    Ok((base64::encode_option(keys.key.bytes()), base64::encode_option(hmac_key)))
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (key, hmac_key) = fresh(arguments.hmac_digest)?;
    if arguments.json {
        return say_json(&Keys { key_base64: &key, hmac_key_base64: &hmac_key });
    }
    let text = Zeroizing::new(format!("KEY_BASE64: {}\nHMAC_KEY_BASE64: {}\n", *key, *hmac_key));
    say(&text)
}
