//! What the web server hands over of a request (RFC 3875), read into a question, or into what is wrong with it.

use std::ffi::OsString;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::filled_in::{Question, asked, filled_in};
use super::origin::Sent;
use super::urlencoded;
use super::wire::Visit;
use crate::limits::{PAGE_BODY_MAX, PAGE_HEADER_MAX, PAGE_QUERY_MAX};

/// What is wrong with a request, before the daemon is asked anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No page of ours makes it.
    Malformed,
    /// There is only the one page.
    Elsewhere,
    /// Neither GET, HEAD nor POST.
    Method,
    /// The form was sent by a page of somebody else.
    Foreign,
    /// The body is longer than any form of ours.
    Long,
    /// The body is no form.
    Type,
    /// The web server does not say what it has to.
    Server,
}

/// What is asked, and by whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What the daemon has to know of the visitor.
    pub(super) visit: Visit,
    /// What is asked.
    pub(super) question: Question,
}

/// The values that the web server sets, by their names; empty ones are not there, since some servers set them all.
pub(super) struct Variables<F>(pub(super) F);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    /// A value of at most so many bytes, without control characters.
    fn text(&self, name: &str, most: usize) -> Result<Option<String>, Fault> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        let text = value.into_string().map_err(|_| Fault::Malformed)?;
        if text.len() > most || text.chars().any(char::is_control) {
            return Err(Fault::Malformed);
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Whether the answer is to be without its page.
    pub(super) fn is_head(&self) -> bool {
        (self.0)("REQUEST_METHOD").is_some_and(|method| method == "HEAD")
    }

    /// The path of the page, where the web server says it and it can be nothing but a path of this host.
    pub(super) fn page(&self) -> Option<String> {
        let path = self.text("SCRIPT_NAME", PAGE_HEADER_MAX).ok()??;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
        // Two slashes begin the name of a host.
        let is_here = path.starts_with('/') && !path.starts_with("//");
        (is_here && path.bytes().all(is_plain)).then_some(path)
    }

    /// Reads the request; `body` reads so many bytes of standard input, and is called only for a form of ours.
    pub(super) fn read(&self, body: impl FnOnce(usize) -> Option<Zeroizing<Vec<u8>>>) -> Result<Request, Fault> {
        let posts = match (self.0)("REQUEST_METHOD").as_ref().and_then(|method| method.to_str()) {
            Some("GET" | "HEAD") => false,
            Some("POST") => true,
            Some(_) => return Err(Fault::Method),
            None => return Err(Fault::Server),
        };
        if (self.0)("PATH_INFO").is_some_and(|path| !path.is_empty() && path != "/") {
            return Err(Fault::Elsewhere);
        }
        let visit = self.visit()?;
        let query = self.text("QUERY_STRING", PAGE_QUERY_MAX)?.unwrap_or_default();
        let question = if posts {
            if !query.is_empty() {
                return Err(Fault::Malformed);
            }
            let length = self.length_of_form(&visit)?;
            let body = body(length).ok_or(Fault::Malformed)?;
            urlencoded::fields(&body).and_then(filled_in)
        } else {
            urlencoded::fields(query.as_bytes()).and_then(asked)
        };
        Ok(Request { visit, question: question.ok_or(Fault::Malformed)? })
    }

    fn visit(&self) -> Result<Visit, Fault> {
        // What another web server's variables have is its matter; these come from the visitor.
        let tls = (self.0)("HTTPS").is_some_and(|https| !https.is_empty() && https != "off" && https != "0");
        Ok(Visit {
            peer: self.peer().ok_or(Fault::Server)?,
            forwarded: self.text("HTTP_X_FORWARDED_FOR", PAGE_HEADER_MAX)?,
            tls,
            host: self.text("HTTP_HOST", PAGE_HEADER_MAX)?,
        })
    }

    /// The other end of the connection, which some servers put into brackets, and write as IPv6 where it is IPv4.
    fn peer(&self) -> Option<IpAddr> {
        let text = (self.0)("REMOTE_ADDR")?.into_string().ok()?;
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        bare.parse().ok().map(|address: IpAddr| address.to_canonical())
    }

    /// The length of the body, which is a form that may be ours.
    fn length_of_form(&self, visit: &Visit) -> Result<usize, Fault> {
        let origin = self.text("HTTP_ORIGIN", PAGE_HEADER_MAX)?;
        let fetch_site = self.text("HTTP_SEC_FETCH_SITE", PAGE_HEADER_MAX)?;
        let sent = Sent {
            origin: origin.as_deref(),
            fetch_site: fetch_site.as_deref(),
            host: visit.host.as_deref(),
            tls: visit.tls,
        };
        if !sent.may_be_ours() {
            return Err(Fault::Foreign);
        }
        let kind = self.text("CONTENT_TYPE", PAGE_HEADER_MAX)?.unwrap_or_default();
        let (kind, _) = kind.split_once(';').unwrap_or((&kind, ""));
        if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Fault::Type);
        }
        let length = self.text("CONTENT_LENGTH", PAGE_HEADER_MAX)?.ok_or(Fault::Malformed)?;
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Malformed);
        }
        // Digits that are no number are too many.
        length.parse().ok().filter(|&length| length <= PAGE_BODY_MAX).ok_or(Fault::Long)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::What;
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt as _;

    type Set<'a> = &'a [(&'a str, &'a str)];

    const GET: Set<'_> = &[("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "192.0.2.7")];
    const POST: Set<'_> = &[
        ("REQUEST_METHOD", "POST"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("HTTPS", "on"),
        ("HTTP_HOST", "knock.example"),
        ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
        ("CONTENT_LENGTH", "17"),
    ];

    /// The request with these values, changed by those; an empty value is one.
    fn read(values: Set<'_>, changed: Set<'_>) -> Result<Request, Fault> {
        let find = |name: &str| changed.iter().chain(values).find(|(known, _)| *known == name);
        let body = |length| (length == 17).then(|| Zeroizing::new(b"do=show&ticket=0f".to_vec()));
        Variables(|name: &str| find(name).map(|(_, value)| value.into())).read(body)
    }

    #[test]
    fn a_visit_is_what_the_server_says() {
        let visit = |changed: Set<'_>| read(GET, changed).map(|request| request.visit);
        let plain = Visit { peer: "192.0.2.7".parse().unwrap(), forwarded: None, tls: false, host: None };
        assert_eq!(visit(&[]).as_ref(), Ok(&plain));
        assert_eq!(visit(&[("HTTPS", ""), ("HTTP_HOST", ""), ("HTTP_X_FORWARDED_FOR", "")]).as_ref(), Ok(&plain));
        for (written, tls) in [("on", true), ("1", true), ("off", false), ("0", false)] {
            assert_eq!(visit(&[("HTTPS", written)]).map(|visit| visit.tls), Ok(tls), "{written}");
        }
        let full =
            visit(&[("HTTP_HOST", "a.example:8443"), ("HTTP_X_FORWARDED_FOR", "203.0.113.9, 10.0.0.1")]).unwrap();
        assert_eq!(full.host.as_deref(), Some("a.example:8443"));
        assert_eq!(full.forwarded.as_deref(), Some("203.0.113.9, 10.0.0.1"));
        for (written, peer) in
            [("::ffff:192.0.2.9", "192.0.2.9"), ("[::ffff:192.0.2.9]", "192.0.2.9"), ("[2001:db8::1]", "2001:db8::1")]
        {
            assert_eq!(visit(&[("REMOTE_ADDR", written)]).unwrap().peer, peer.parse::<IpAddr>().unwrap(), "{written}");
        }
        for bad in ["", "localhost", "192.0.2.7:80", "[192.0.2.7", "fe80::1%eth0", "192.0.2.7\n"] {
            assert_eq!(visit(&[("REMOTE_ADDR", bad)]), Err(Fault::Server), "{bad:?}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let long = "x".repeat(PAGE_HEADER_MAX + 1);
        for (values, name, value, fault) in [
            (GET, "REQUEST_METHOD", "PUT", Fault::Method),
            (GET, "REQUEST_METHOD", "get", Fault::Method),
            (GET, "REQUEST_METHOD", "", Fault::Method),
            (GET, "PATH_INFO", "/../x", Fault::Elsewhere),
            (GET, "QUERY_STRING", "name=alice", Fault::Malformed),
            (GET, "QUERY_STRING", "user=a&user=b", Fault::Malformed),
            (GET, "QUERY_STRING", "user=%00", Fault::Malformed),
            (GET, "QUERY_STRING", &long, Fault::Malformed),
            (GET, "HTTP_HOST", &long, Fault::Malformed),
            (GET, "HTTP_HOST", "a\u{1b}", Fault::Malformed),
            (GET, "HTTP_X_FORWARDED_FOR", &long, Fault::Malformed),
            (POST, "QUERY_STRING", "user=alice", Fault::Malformed),
            (POST, "CONTENT_TYPE", "", Fault::Type),
            (POST, "CONTENT_TYPE", "multipart/form-data; boundary=x", Fault::Type),
            (POST, "CONTENT_TYPE", "text/plain", Fault::Type),
            (POST, "CONTENT_LENGTH", "", Fault::Malformed),
            (POST, "CONTENT_LENGTH", "-1", Fault::Malformed),
            (POST, "CONTENT_LENGTH", "+17", Fault::Malformed),
            (POST, "CONTENT_LENGTH", "0x11", Fault::Malformed),
            (POST, "CONTENT_LENGTH", "8193", Fault::Long),
            (POST, "CONTENT_LENGTH", "99999999999999999999999", Fault::Long),
            (POST, "CONTENT_LENGTH", "18", Fault::Malformed),
            (POST, "HTTP_ORIGIN", "https://evil.example", Fault::Foreign),
            (POST, "HTTP_SEC_FETCH_SITE", "cross-site", Fault::Foreign),
        ] {
            assert_eq!(read(values, &[(name, value)]), Err(fault), "{name} {value}");
        }
        assert_eq!(read(&[("REMOTE_ADDR", "192.0.2.7")], &[]), Err(Fault::Server));
        assert_eq!(read(&[("REQUEST_METHOD", "GET")], &[]), Err(Fault::Server));
        let bytes = |name: &str| match name {
            "HTTP_HOST" => Some(OsString::from_vec(vec![0xff])),
            name => GET.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
        };
        assert_eq!(Variables(bytes).read(|_| None), Err(Fault::Malformed));
    }

    #[test]
    fn the_page_is_at_a_path_of_this_host_or_nobody_knows_where() {
        let page = |value: &str| Variables(|name: &str| (name == "SCRIPT_NAME").then(|| value.into())).page();
        for path in ["/", "/open-sesame", "/cgi-bin/~me/open-sesame.cgi"] {
            assert_eq!(page(path).as_deref(), Some(path));
        }
        let long = format!("/{}", "a".repeat(PAGE_HEADER_MAX));
        for path in ["", "open-sesame", "//evil.example/", "/\\evil", "/a?b", "/a b", "/\"", "/zo\u{eb}", "/a\n", &long]
        {
            assert_eq!(page(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_form_is_read_only_where_one_may_come() {
        assert_eq!(read(POST, &[]).unwrap().question.what, What::Ticket { ticket: "0f".to_owned() });
        let charset = [("CONTENT_TYPE", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8")];
        assert!(read(POST, &charset).is_ok() && read(POST, &[("HTTP_ORIGIN", "null")]).is_ok());
        let never = |name: &str| {
            let value = if name == "HTTP_ORIGIN" { Some("https://evil.example") } else { None };
            value.or_else(|| POST.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)).map(OsString::from)
        };
        assert_eq!(Variables(never).read(|_| panic!("it is not ours")), Err(Fault::Foreign));
        assert_eq!(read(GET, &[("PATH_INFO", "/"), ("QUERY_STRING", "")]).unwrap().question.what, What::Entry);
    }

    proptest! {
        #[test]
        fn any_values_are_read_or_refused(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 10),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            method in "GET|POST|HEAD",
        ) {
            const NAMES: [&str; 10] = [
                "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS", "HTTP_HOST",
                "HTTP_X_FORWARDED_FOR", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "REMOTE_ADDR",
            ];
            let find = |name: &str| match name {
                "REQUEST_METHOD" => Some(OsString::from(&method)),
                name => NAMES.iter().zip(&values).find(|(known, _)| **known == name).map(|(_, value)| {
                    OsString::from_vec(value.clone())
                }),
            };
            let _ = Variables(find).read(|_| Some(Zeroizing::new(body.clone())));
        }
    }
}
