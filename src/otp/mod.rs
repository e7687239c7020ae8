//! One-time passwords: chains of RFC 2289 and the codes of authenticator apps (RFC 4226, RFC 6238).
//!
//! ```text
//! desk = throttle + store     who may be judged now; one file a user, written before anybody is let in
//!          verify             record and response to a verdict and the next record, without any file or clock
//!   response  chain  codes    what people type, and what it is compared with
//! ```
//!
//! Everything below `store` touches no file, no clock and no socket.

pub mod base32;
pub mod card;
pub mod chain;
pub mod challenge;
pub mod codes;
mod decoy;
pub mod desk;
mod directory;
pub mod opiekeys;
pub mod record;
pub mod response;
pub mod store;
pub mod throttle;
pub mod uri;
pub mod verify;
pub mod words;
