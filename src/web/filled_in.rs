//! What a visitor's fields ask: each known, at most once, and short enough.

use std::mem;

use zeroize::Zeroizing;

use super::urlencoded::Field;
use super::wire::{Login, Typed, What};
use crate::limits::{NAME_MAX, OTP_RESPONSE_MAX, PAGE_ADDRESS_MAX, PAGE_SERVICES_MAX};
use crate::net::Port;

/// A question for the daemon, and what to say beside its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// What to ask.
    pub(super) what: What,
    /// What was left out, so that the form is asked for again.
    pub(super) missing: Option<Missing>,
}

/// What a form needs and does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The one-time password.
    Password,
    /// A service that is chosen.
    Service,
}

/// What a query asks; `None` where no page of ours makes it.
pub(super) fn asked(fields: Vec<Field>) -> Option<Question> {
    let mut fields = Fields(fields);
    let user = fields.trimmed("user", NAME_MAX)?;
    fields.end()?;
    let what = user.map_or(What::Entry, |user| What::Form { user });
    Some(Question { what, missing: None })
}

/// What a form asks; `None` where no page of ours sends it.
pub(super) fn filled_in(fields: Vec<Field>) -> Option<Question> {
    let mut fields = Fields(fields);
    let verb = fields.one("do", NAME_MAX)??;
    match verb.as_str() {
        "open" => login(fields, false),
        "close" => login(fields, true),
        "show" => ticket(fields, |ticket| What::Ticket { ticket }),
        "end" => ticket(fields, |ticket| What::Close { ticket }),
        _ => None,
    }
}

fn ticket(mut fields: Fields, what: fn(String) -> What) -> Option<Question> {
    let ticket = fields.trimmed("ticket", NAME_MAX)??;
    fields.end()?;
    Some(Question { what: what(ticket), missing: None })
}

fn login(mut fields: Fields, sign_off: bool) -> Option<Question> {
    let token = fields.trimmed("token", NAME_MAX)??;
    let user = fields.trimmed("user", NAME_MAX)??;
    let mut response = fields.one("response", OTP_RESPONSE_MAX)??;
    let address = fields.trimmed("address", PAGE_ADDRESS_MAX)?;
    let chosen = fields.services()?;
    let had_choice = fields.one("choice", NAME_MAX)?.is_some();
    fields.end()?;
    // No box is not all boxes, where there were boxes.
    let services = (had_choice || !chosen.is_empty()).then_some(chosen).filter(|_| !sign_off);
    let missing = if response.trim().is_empty() {
        Some(Missing::Password)
    } else {
        services.as_ref().filter(|services| services.is_empty()).map(|_| Missing::Service)
    };
    if missing.is_some() {
        return Some(Question { what: What::Form { user }, missing });
    }
    let response = Typed::new(mem::take(&mut *response));
    Some(Question { what: What::Login(Login { token, user, response, address, services, sign_off }), missing })
}

/// What has not been read yet of the fields.
struct Fields(Vec<Field>);

impl Fields {
    /// The field of this name; the outer `None` where it is there twice or too long.
    #[expect(clippy::option_option, reason = "a field may lack, or be wrong")]
    fn one(&mut self, name: &str, most: usize) -> Option<Option<Zeroizing<String>>> {
        let Some(at) = self.position(name) else { return Some(None) };
        let (_, value) = self.0.remove(at);
        (value.len() <= most && self.position(name).is_none()).then_some(Some(value))
    }

    /// The same without blanks around it, such as a telephone's keyboard adds; not there where nothing is left.
    #[expect(clippy::option_option, reason = "a field may lack, or be wrong")]
    fn trimmed(&mut self, name: &str, most: usize) -> Option<Option<String>> {
        let value = self.one(name, most)?;
        Some(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
    }

    /// The boxes that are ticked, which bear one name.
    fn services(&mut self) -> Option<Vec<String>> {
        let mut services: Vec<String> = Vec::new();
        while let Some(at) = self.position("service") {
            let (_, service) = self.0.remove(at);
            let service = service.parse::<Port>().ok()?.to_string();
            if services.len() >= PAGE_SERVICES_MAX || services.contains(&service) {
                return None;
            }
            services.push(service);
        }
        Some(services)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known.as_str() == name)
    }

    /// Nothing is left.
    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::urlencoded::fields;
    use super::*;
    use proptest::prelude::*;

    const LOGIN: &str = "do=open&token=0f&user=alice&response=A+B+C";

    fn read(body: &str) -> Option<Question> {
        filled_in(fields(body.as_bytes())?)
    }

    fn login(body: &str) -> Login {
        match read(body).unwrap() {
            Question { what: What::Login(login), missing: None } => login,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_form_becomes_a_login() {
        let plain = Login {
            token: "0f".to_owned(),
            user: "alice".to_owned(),
            response: Typed::new("A B C".to_owned()),
            address: None,
            services: None,
            sign_off: false,
        };
        assert_eq!(login(LOGIN), plain);
        assert_eq!(login("response=A+B+C&user=+alice+&token=0f&do=open&address=++"), plain);
        let full = format!("{LOGIN}&address=+2001:db8::1+&choice=1&service=tcp%2F22&service=udp%2F53");
        let services = Some(vec!["tcp/22".to_owned(), "udp/53".to_owned()]);
        assert_eq!(login(&full), Login { address: Some("2001:db8::1".to_owned()), services, ..plain.clone() });
        let close = format!("{}&choice=1", LOGIN.replace("open", "close"));
        assert_eq!(login(&close), Login { sign_off: true, ..plain });
    }

    #[test]
    fn what_lacks_is_asked_for_again_and_spends_nothing() {
        let what = || What::Form { user: "alice".to_owned() };
        for (body, missing) in [
            ("do=open&token=0f&user=alice&response=", Missing::Password),
            ("do=close&token=0f&user=alice&response=++", Missing::Password),
            ("do=open&token=0f&user=alice&response=x&choice=1", Missing::Service),
        ] {
            assert_eq!(read(body), Some(Question { what: what(), missing: Some(missing) }), "{body}");
        }
    }

    #[test]
    fn what_no_page_of_ours_sends_is_refused() {
        let long = |name: &str, length| format!("{LOGIN}&{name}={}", "x".repeat(length));
        let many: String = (1..66).map(|port| format!("&service=tcp%2F{port}")).collect();
        for bad in [
            "",
            "do=open",
            "do=open&user=alice&response=x",
            "do=open&token=0f&response=x",
            "do=open&token=0f&user=&response=x",
            "do=open&token=0f&user=alice",
            "token=0f&user=alice&response=x",
            "do=&token=0f&user=alice&response=x",
            "do=show",
            "do=show&ticket=",
            "do=show&ticket=0f&user=alice",
            "do=end&ticket=0f&ticket=0f",
            &format!("{LOGIN}&do=open"),
            &format!("{LOGIN}&token=0f"),
            &format!("{LOGIN}&user=alice"),
            &format!("{LOGIN}&response=x"),
            &format!("{LOGIN}&address=192.0.2.1&address=192.0.2.1"),
            &format!("{LOGIN}&choice=1&choice=1"),
            &format!("{LOGIN}&service=tcp%2F22&service=tcp%2F22"),
            &format!("{LOGIN}&ticket=0f"),
            &format!("{LOGIN}&root=1"),
            &format!("{LOGIN}&User=alice"),
            &long("address", 65),
            &long("service", 5),
            &format!("{LOGIN}&service="),
            &format!("{LOGIN}&service=%22%22"),
            &format!("{LOGIN}&service=any"),
            &format!("{LOGIN}&service=tcp%2F0"),
            &format!("{LOGIN}&service=icmp%2F22"),
            &format!("{LOGIN}&service=tcp%2F22&service=tcp%2F022"),
            &long("choice", 65),
            &format!("{LOGIN}{many}"),
            &format!("do=open&token={}&user=alice&response=x", "0".repeat(65)),
            &format!("do=open&token=0f&user={}&response=x", "a".repeat(65)),
            &format!("do=open&token=0f&user=alice&response={}", "x".repeat(161)),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_names_a_user_or_nothing() {
        let asked = |query: &str| asked(fields(query.as_bytes())?).map(|question| question.what);
        assert_eq!(
            (asked(""), asked("user="), asked("user=+")),
            (Some(What::Entry), Some(What::Entry), Some(What::Entry))
        );
        assert_eq!(asked("user=%3Cb%3E"), Some(What::Form { user: "<b>".to_owned() }));
        for bad in ["user=a&user=b", "user=a&x=1", "x=1", &format!("user={}", "a".repeat(65))] {
            assert_eq!(asked(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_asked_is_what_the_daemon_takes(
            body in "(do=(open|close|show|end))?(&(token|user|response|address|service|choice|ticket)=[a-z+%0-9./]{0,70}){0,7}",
        ) {
            if let Some(Question { what: What::Login(login), .. }) = read(&body) {
                prop_assert!(login.user.len() <= NAME_MAX && !login.user.is_empty());
                prop_assert!(!login.response.text().trim().is_empty() && login.response.text().len() <= OTP_RESPONSE_MAX);
                prop_assert!(login.services.is_none_or(|services| !services.is_empty() && services.len() <= PAGE_SERVICES_MAX));
            }
        }
    }
}
