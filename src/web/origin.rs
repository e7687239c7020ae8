//! Whether a form was sent by a page of ours, as far as the browser says.

/// What the browser says of where a form comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent<'a> {
    /// `Origin` (RFC 6454, section 7).
    pub(super) origin: Option<&'a str>,
    /// `Sec-Fetch-Site` (W3C Fetch Metadata).
    pub(super) fetch_site: Option<&'a str>,
    /// `Host`.
    pub(super) host: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub(super) tls: bool,
}

impl Sent<'_> {
    /// Whether nothing speaks against a page of ours. Where the browser says nothing, the form's token has to do.
    pub(super) fn may_be_ours(self) -> bool {
        // `none` is the person at the browser: a reload, say.
        self.fetch_site.is_none_or(|site| site == "same-origin" || site == "none")
            && self.origin.is_none_or(|origin| origin == "null" || self.is_own(origin))
        // `null` is what our own pages send, since they tell nobody where one comes from (`Referrer-Policy`). A page
        // elsewhere can have its browser send it, too, and has neither token nor ticket.
    }

    fn is_own(self, origin: &str) -> bool {
        let (Some((scheme, from)), Some(host)) = (origin.split_once("://"), self.host) else { return false };
        let port = match scheme {
            "https" => ":443",
            // Who is here over TLS does not come from a page that anybody on the way can write.
            "http" if !self.tls => ":80",
            _ => return false,
        };
        let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
        !bare(from).is_empty() && bare(from) == bare(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(origin: &str, host: &str, tls: bool) -> bool {
        Sent { origin: Some(origin), host: Some(host), tls, fetch_site: None }.may_be_ours()
    }

    #[test]
    fn an_origin_is_ours_by_scheme_host_and_port() {
        for (origin, host, tls) in [
            ("https://knock.example", "knock.example", true),
            ("https://knock.example", "Knock.Example:443", true),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", true),
            ("http://192.168.1.1", "192.168.1.1:80", false),
            // A proxy in front has done the TLS.
            ("https://knock.example", "knock.example", false),
            ("null", "knock.example", true),
        ] {
            assert!(ours(origin, host, tls), "{origin} {host}");
        }
        for (origin, host, tls) in [
            ("http://knock.example", "knock.example", true),
            ("https://knock.example:8443", "knock.example", true),
            ("https://knock.example", "knock.example:8443", true),
            ("https://knock.example:80", "knock.example", true),
            ("https://evil.example", "knock.example", true),
            ("https://knock.example.evil.example", "knock.example", true),
            ("https://knock.example/", "knock.example", true),
            ("ftp://knock.example", "knock.example", false),
            ("knock.example", "knock.example", true),
            ("https://", "", true),
            ("https://:443", ":443", true),
            ("", "", false),
        ] {
            assert!(!ours(origin, host, tls), "{origin} {host}");
        }
        assert!(!Sent { origin: Some("https://a.example"), tls: true, ..Sent::default() }.may_be_ours());
    }

    #[test]
    fn what_the_browser_says_of_the_site_counts() {
        let site = |fetch_site, origin| Sent { origin, fetch_site, host: Some("a.example"), tls: true }.may_be_ours();
        for good in [None, Some("same-origin"), Some("none")] {
            assert!(site(good, Some("null")) && site(good, None), "{good:?}");
        }
        for bad in ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site"] {
            assert!(!site(Some(bad), Some("null")) && !site(Some(bad), Some("https://a.example")), "{bad}");
        }
    }
}
