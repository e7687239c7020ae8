//! The packet format of fwknop, symmetric mode, protocol versions 1.9 to 3.0.
//!
//! ```text
//! plaintext = fields joined with ':'  +  ':'  +  digest of the fields
//! sealed    = "Salted__"  +  salt  +  AES-256 of the padded plaintext
//! packet    = base64(sealed) without its first ten characters  +  base64(HMAC), if there is an HMAC key
//! ```
//!
//! A packet comes in, out of [`http`] where it was dressed so, through [`text`], [`verify`], [`fields`] and [`message`]; [`mod@encode`] goes the same way back.

pub mod base64;
mod cipher;
mod digest;
pub mod encode;
pub mod fields;
pub mod http;
pub mod keygen;
pub mod keys;
mod mac;
pub mod message;
pub mod text;
pub mod verify;

pub use encode::{EncodeError, encode, encode_fresh};
pub use fields::{Fields, MessageType};
pub use message::{AllowAddress, NatHost, NatTarget, Request, RequestKind};
pub use text::SpaText;
pub use verify::{Opened, Sealed, Verifier};
