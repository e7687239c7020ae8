//! A knock in the dress of an HTTP request, as `fwknop -P http` sends it and proxies pass it on.
//!
//! ```text
//! GET /DATA HTTP/1.0           DATA is the packet with '-' for '+' and '_' for '/'
//! User-Agent: Fwknop/2.6.10
//! X-Forwarded-For: ADDRESS     from a proxy; no HMAC covers it
//! ```

use std::net::IpAddr;

use crate::limits::{PACKET_MAX, PACKET_MIN};
use crate::reason::Reason;

/// How every such request begins, in any case.
const METHOD: &[u8; 5] = b"GET /";

/// What stands in the requests of fwknop's own clients, in this case.
const USER_AGENT: &[u8; 18] = b"User-Agent: Fwknop";

/// The header that names the address for which a proxy asks, in any case.
const FORWARDED_FOR: &[u8; 16] = b"X-Forwarded-For:";

/// Which requests pass for knocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Whether requests need not say that fwknop made them.
    pub any_user_agent: bool,
    /// Whether `X-Forwarded-For` tells for whom to open where the knock itself names no address.
    pub trust_forwarded_for: bool,
}

/// What was in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undressed<'a> {
    /// The packet's text, its alphabet not yet judged.
    pub text: &'a [u8],
    /// What `X-Forwarded-For` says, where that is trusted and there.
    pub forwarded_for: Option<ForwardedFor>,
}

/// What `X-Forwarded-For` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFor {
    /// One address in one header.
    Address(IpAddr),
    /// Several, of which one may be the client's own invention.
    Several,
}

/// Whether a payload is a request at all; any other goes on as it is.
#[must_use]
pub fn is_request(payload: &[u8]) -> bool {
    payload.first_chunk::<5>().is_some_and(|start| start.eq_ignore_ascii_case(METHOD))
}

impl Http {
    /// Takes the packet out of a request, all of which must be in `payload`; allocates nothing.
    ///
    /// # Errors
    /// [`Reason::Size`] for a request that no client makes so short or long, [`Reason::Http`] where it is none of
    /// fwknop's or its data is too short for a packet.
    pub fn undress<'a>(self, payload: &[u8], room: &'a mut [u8; PACKET_MAX]) -> Result<Undressed<'a>, Reason> {
        if !(PACKET_MIN..=PACKET_MAX).contains(&payload.len()) {
            return Err(Reason::Size);
        }
        let (_, request) = payload.split_at_checked(METHOD.len()).ok_or(Reason::Http)?;
        let length = request.iter().position(|&byte| is_white(byte)).unwrap_or(request.len());
        let (data, rest) = request.split_at_checked(length).ok_or(Reason::Http)?;
        let from_fwknop = || rest.windows(USER_AGENT.len()).any(|window| window == USER_AGENT);
        if data.len() < PACKET_MIN || !(self.any_user_agent || from_fwknop()) {
            return Err(Reason::Http);
        }
        let text = room.get_mut(..length).ok_or(Reason::Size)?;
        for (to, from) in text.iter_mut().zip(data) {
            *to = match from {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
        }
        Ok(Undressed { text, forwarded_for: self.trust_forwarded_for.then(|| forwarded_for(rest)).flatten() })
    }
}

/// What the headers say of the address for which a proxy asks; one that names none says nothing, as with fwknopd.
fn forwarded_for(rest: &[u8]) -> Option<ForwardedFor> {
    let lines = rest.split(|&byte| byte == b'\n').skip(1);
    let mut headers = lines
        .take_while(|line| !line.trim_ascii().is_empty())
        .filter_map(|line| line.split_first_chunk::<16>())
        .filter_map(|(name, value)| name.eq_ignore_ascii_case(FORWARDED_FOR).then_some(value.trim_ascii()));
    let value = headers.next()?;
    if headers.next().is_some() || value.contains(&b',') {
        return Some(ForwardedFor::Several);
    }
    std::str::from_utf8(value).ok()?.parse().ok().map(ForwardedFor::Address)
}

/// White space as C has it.
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADERS: &str = "User-Agent: Fwknop/2.6.10\r\nAccept: */*\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n";

    fn data() -> String {
        "aZ-_09+/".repeat(20)
    }

    fn request(headers: &str) -> String {
        format!("GET /{} HTTP/1.0\r\n{headers}", data())
    }

    fn undress(http: Http, payload: &str) -> Result<(String, Option<ForwardedFor>), Reason> {
        assert!(is_request(payload.as_bytes()), "{payload}");
        let mut room = [0; PACKET_MAX];
        http.undress(payload.as_bytes(), &mut room)
            .map(|found| (String::from_utf8(found.text.to_vec()).unwrap(), found.forwarded_for))
    }

    #[test]
    fn the_data_comes_out_as_packet_text() {
        let text = "aZ+/09+/".repeat(20);
        for request in [
            request(HEADERS),
            request(HEADERS).replace("GET", "gEt"),
            request(HEADERS).replace(" HTTP/1.0", "\tx"),
            request(&HEADERS.replace("Fwknop/2.6.10", "Fwknop-of-mine")),
            request(&format!("X-Other: 1\r\n{HEADERS}and a body")),
        ] {
            assert_eq!(undress(Http::default(), &request), Ok((text.clone(), None)), "{request}");
        }
        assert_eq!(undress(Http { any_user_agent: true, ..Http::default() }, &request("")), Ok((text, None)));
    }

    #[test]
    fn what_is_no_request_is_left_alone() {
        for payload in ["", "GET", "GET ", "GET\t/", "POST /", " GET /", "GET http://192.0.2.1/"] {
            assert!(!is_request(payload.as_bytes()), "{payload}");
        }
    }

    #[test]
    fn requests_of_others_are_refused() {
        let any = Http { any_user_agent: true, ..Http::default() };
        for headers in [
            "User-Agent: curl/8.0\r\n\r\n",
            "user-agent: Fwknop\r\n\r\n",
            "User-Agent: fwknop\r\n\r\n",
            "User-Agent:Fwknop\r\n",
        ] {
            assert_eq!(undress(Http::default(), &request(headers)), Err(Reason::Http), "{headers}");
            assert!(undress(any, &request(headers)).is_ok(), "{headers}");
        }
        let short = format!("GET /{} HTTP/1.0\r\n{HEADERS}", "A".repeat(139));
        assert_eq!(undress(any, &short), Err(Reason::Http));
        assert!(undress(any, &short.replace("GET /", "GET /A")).is_ok());
        assert_eq!(undress(any, "GET / HTTP/1.0\r\n\r\n"), Err(Reason::Size));
        let long = request(HEADERS) + &" ".repeat(PACKET_MAX);
        assert_eq!(undress(any, &long), Err(Reason::Size));
        assert!(undress(any, &long[..PACKET_MAX]).is_ok());
    }

    #[test]
    fn a_request_cut_anywhere_never_yields_other_data() {
        let whole = request(HEADERS);
        let agent = whole.find("User-Agent: Fwknop").unwrap() + USER_AGENT.len();
        let (text, _) = undress(Http::default(), &whole).unwrap();
        for cut in METHOD.len()..whole.len() {
            let expected = match cut {
                ..PACKET_MIN => Err(Reason::Size),
                cut if cut < agent => Err(Reason::Http),
                _ => Ok((text.clone(), None)),
            };
            assert_eq!(undress(Http::default(), &whole[..cut]), expected, "{cut}");
        }
    }

    #[test]
    fn a_proxys_word_counts_only_where_it_is_trusted_and_clear() {
        let trusting = Http { trust_forwarded_for: true, ..Http::default() };
        const SEVERAL: Result<Option<ForwardedFor>, Reason> = Ok(Some(ForwardedFor::Several));
        let of = |address: &str| Ok(Some(ForwardedFor::Address(address.parse().unwrap())));
        for (header, expected) in [
            ("X-Forwarded-For: 198.51.100.7\r\n", of("198.51.100.7")),
            ("x-forwarded-FOR:\t198.51.100.7 \r\n", of("198.51.100.7")),
            ("X-Forwarded-For: 2001:db8::7\r\n", of("2001:db8::7")),
            ("X-Forwarded-For:198.51.100.7", of("198.51.100.7")),
            ("X-Forwarded-For: 198.51.100.7, 198.51.100.8\r\n", SEVERAL),
            ("X-Forwarded-For: 198.51.100.7 x\r\n", Ok(None)),
            ("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 198.51.100.7\r\n", SEVERAL),
            ("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For:198.51.100.7\r\n", SEVERAL),
            ("X-Forwarded-For: not-an-ip\r\n", Ok(None)),
            ("X-Forwarded-For: 198.51.100.0/24\r\n", Ok(None)),
            ("X-Forwarded-For: 0198.51.100.7\r\n", Ok(None)),
            ("X-Forwarded-For: [2001:db8::7]\r\n", Ok(None)),
            ("X-Forwarded-For: fe80::1%eth0\r\n", Ok(None)),
            ("X-Forwarded-For: \r\n", Ok(None)),
            ("Cookie: X-Forwarded-For: 198.51.100.7\r\n", Ok(None)),
            ("\r\nX-Forwarded-For: 198.51.100.7\r\n", Ok(None)),
        ] {
            let request = request(&format!("User-Agent: Fwknop/2\r\n{header}"));
            assert_eq!(undress(trusting, &request).map(|found| found.1), expected, "{header}");
            assert_eq!(undress(Http::default(), &request).unwrap().1, None, "{header}");
        }
        let address = "X-Forwarded-For: 198.51.100.7";
        let with = request(&format!("User-Agent: Fwknop/2\r\n{address}\r\n"));
        let at = with.find(address).unwrap();
        for cut in at..at + address.len() - 1 {
            assert_ne!(undress(trusting, &with[..cut]).map(|found| found.1), of("198.51.100.7"), "{cut}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn junk_is_judged_without_harm(
            start in prop::sample::select(vec!["", "GET /", "get /"]),
            data in "[A-Za-z0-9_-]{0,200}",
            rest in prop::collection::vec(any::<u8>(), 0..1600),
            headers in "( HTTP/1.0\r\nUser-Agent: Fwknop\r\nX-Forwarded-For: [0-9a-f.:]{0,20})?",
            any_user_agent in any::<bool>(),
            trust_forwarded_for in any::<bool>(),
        ) {
            let payload = [start.as_bytes(), data.as_bytes(), headers.as_bytes(), &rest].concat();
            let mut room = [0; PACKET_MAX];
            let http = Http { any_user_agent, trust_forwarded_for };
            if let Ok(found) = http.undress(&payload, &mut room) {
                prop_assert!((PACKET_MIN..=PACKET_MAX).contains(&found.text.len()));
                prop_assert!(!found.text.iter().any(|byte| is_white(*byte) || b"-_".contains(byte)));
                prop_assert!(trust_forwarded_for || found.forwarded_for.is_none());
            }
        }
    }
}
