//! A page with its status and the headers that every page has.

use std::io::{self, Write};

/// What every page has: no scripts, no strangers' frames, no copies, no traces.
const HEADERS: &str = concat!(
    "Content-Type: text/html; charset=utf-8\r\n",
    "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
    // Of page.css; a test keeps it true.
    "ktWX52Y4qzMe3rFJKgcXUhR8RtyC3YZt7mYBp6pUplc=",
    "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n",
    "X-Frame-Options: DENY\r\n",
    "X-Content-Type-Options: nosniff\r\n",
    "Referrer-Policy: no-referrer\r\n",
    "Cache-Control: no-store\r\n",
    "Cross-Origin-Opener-Policy: same-origin\r\n",
    "Cross-Origin-Resource-Policy: same-origin\r\n",
    "X-Robots-Tag: none\r\n",
);

/// The status of an answer (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    NotAllowed,
    Gone,
    TooLong,
    WrongType,
    Misdirected,
    Failed,
    Unavailable,
}

impl Status {
    /// The header, which stands before all others: some servers look for it only there.
    fn header(self) -> &'static str {
        match self {
            Self::Ok => "Status: 200 OK\r\n",
            Self::BadRequest => "Status: 400 Bad Request\r\n",
            Self::Forbidden => "Status: 403 Forbidden\r\n",
            Self::NotFound => "Status: 404 Not Found\r\n",
            Self::NotAllowed => "Status: 405 Method Not Allowed\r\nAllow: GET, HEAD, POST\r\n",
            Self::Gone => "Status: 410 Gone\r\n",
            Self::TooLong => "Status: 413 Content Too Large\r\n",
            Self::WrongType => "Status: 415 Unsupported Media Type\r\n",
            Self::Misdirected => "Status: 421 Misdirected Request\r\n",
            Self::Failed => "Status: 500 Internal Server Error\r\n",
            Self::Unavailable => "Status: 503 Service Unavailable\r\nRetry-After: 10\r\n",
        }
    }
}

/// A page and its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: Status,
    pub(super) page: String,
}

impl Reply {
    /// Writes the reply as a CGI program does (RFC 3875, section 6), without the page where only its headers were
    /// asked for.
    pub(super) fn write(&self, to: &mut impl Write, is_head: bool) -> io::Result<()> {
        let page = if is_head { "" } else { &self.page };
        to.write_all([self.status.header(), HEADERS, "\r\n", page].concat().as_bytes())?;
        to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::pages::STYLE;
    use super::*;
    use crate::knock::fwknop::base64::encode_option;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn the_policy_allows_the_pages_own_style_and_nothing_else() {
        let hash = encode_option(&Sha256::digest(STYLE.as_bytes()));
        assert!(HEADERS.contains(&format!("; style-src 'sha256-{}';", *hash)), "the hash is {}", *hash);
        assert!(!STYLE.contains("</") && !STYLE.contains('\r'));
    }

    #[test]
    fn a_reply_begins_with_its_status_and_every_line_of_its_head_has_an_end() {
        let reply = Reply { status: Status::NotAllowed, page: "<!DOCTYPE html>".to_owned() };
        for is_head in [false, true] {
            let mut written = Vec::new();
            reply.write(&mut written, is_head).unwrap();
            let text = String::from_utf8(written).unwrap();
            let (head, page) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("Status: 405 Method Not Allowed\r\nAllow: GET, HEAD, POST\r\nContent-Type: text/html")
            );
            assert_eq!(head.matches('\n').count(), head.matches("\r\n").count());
            assert!(head.lines().all(|line| line.contains(": ")));
            assert_eq!(page, if is_head { "" } else { "<!DOCTYPE html>" });
        }
    }
}
