//! The pages to fill in: the one that asks for the name, and the one with the challenge.

use super::filled_in::Missing;
use super::html::Html;
use super::pages::{T, duration, page};
use super::reply::{Reply, Status};
use super::wire::{Answer, Form};

/// Why a form is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// It is not complete.
    Missing(Missing),
    /// It was too old.
    Stale,
    /// The other address is none.
    Address,
}

impl Notice {
    fn text(self) -> &'static str {
        match self {
            Self::Missing(Missing::Password) => T.no_password,
            Self::Missing(Missing::Service) => T.no_service,
            Self::Stale => T.stale,
            Self::Address => T.no_address,
        }
    }
}

/// The page that asks for the name. It asks in the address, which can be kept as a bookmark; the name is no secret.
pub(super) fn entry(answer: &Answer) -> Reply {
    page(Status::Ok, T.open_sesame, |html| {
        warn_of_plain(html, answer);
        html.within("<div class=card><p>", T.entry, "</p><form method=get action=\"?\">");
        html.within("<p><label for=user>", T.name, "</label>");
        html.raw(
            "<input id=user name=user required maxlength=64 autocomplete=username autocapitalize=none autocorrect=off \
             spellcheck=false autofocus></p>",
        );
        html.within("<button class=main>", T.go_on, "</button></form></div>");
    })
}

/// The form for a name.
pub(super) fn form(answer: &Answer, form: &Form, notice: Option<Notice>) -> Reply {
    page(Status::Ok, T.open_sesame, |html| {
        warn_of_plain(html, answer);
        if let Some(notice) = notice {
            html.within("<div role=alert id=notice><p>", notice.text(), "</p></div>");
        }
        html.raw("<div class=card><form method=post action=\"?\">");
        html.hidden("token", &form.token).hidden("user", &form.user);
        facts(html, answer, form);
        password(html, notice);
        if form.services.len() > 1 {
            choice(html, form);
        }
        if form.may_override {
            other_address(html, notice == Some(Notice::Address));
        }
        // The first button is the one that the Enter key presses.
        html.within("<button class=main name=do value=open>", T.open_sesame, "</button>");
        html.within("<details><summary>", T.rather_close, "</summary>");
        html.within("<p class=soft>", T.close_hint, "</p><button name=do value=close>");
        html.text(T.close_instead).raw("</button></details></form></div>");
    })
}

fn warn_of_plain(html: &mut Html, answer: &Answer) {
    if !answer.tls {
        html.within("<div role=alert><p>", T.unencrypted, "</p></div>");
    }
}

fn facts(html: &mut Html, answer: &Answer, form: &Form) {
    html.within("<dl><div><dt>", T.challenge, "</dt><dd><code class=big>").text(&form.challenge);
    html.raw("</code></dd></div>");
    html.within("<div><dt>", T.your_address, "</dt><dd><code>");
    match answer.visitor {
        Some(address) => html.text(&address.to_string()),
        None => html.text(T.unknown_address),
    };
    html.within("</code><small>", T.shared_address, "</small></dd></div>");
    if let [service] = form.services.as_slice() {
        html.within("<div><dt>", T.opens, "</dt><dd><code>").text(service).raw("</code> ");
        html.filled(T.stays_open, &duration(form.timeout)).raw("</dd></div>");
    }
    html.within("<div><dt>", T.name, "</dt><dd>").text(&form.user).raw(" (<a href=\"?\">");
    html.text(T.other_name).raw("</a>)</dd></div></dl>");
}

fn password(html: &mut Html, notice: Option<Notice>) {
    html.within("<p><label for=response>", T.password, "</label>");
    html.raw(
        "<input id=response name=response required maxlength=160 autocomplete=one-time-code autocapitalize=none \
         autocorrect=off spellcheck=false enterkeyhint=go aria-describedby=",
    );
    html.raw(match notice {
        None => "hint autofocus>",
        Some(Notice::Address) => "hint>",
        Some(Notice::Missing(Missing::Password)) => "\"notice hint\" autofocus aria-invalid=true>",
        Some(Notice::Missing(Missing::Service) | Notice::Stale) => "\"notice hint\" autofocus>",
    });
    html.within("<small id=hint>", T.password_hint, "</small></p>");
}

/// Boxes for what may be opened, all ticked; that there were boxes is sent along, so that no box is not all of them.
fn choice(html: &mut Html, form: &Form) {
    html.within("<fieldset><legend>", T.what_to_open, "</legend>").hidden("choice", "1");
    for service in &form.services {
        html.within("<label class=check><input type=checkbox name=service checked value=\"", service, "\"><code>");
        html.text(service).raw("</code></label>");
    }
    html.raw("<p class=soft>").filled(T.stays_open, &duration(form.timeout)).raw("</p></fieldset>");
}

fn other_address(html: &mut Html, is_wrong: bool) {
    html.raw(if is_wrong { "<details open>" } else { "<details>" });
    html.within("<summary>", T.elsewhere, "</summary>");
    html.within("<label for=address>", T.other_address, "</label>");
    html.raw(
        "<input id=address name=address maxlength=64 autocomplete=off autocapitalize=none autocorrect=off \
         spellcheck=false aria-describedby=",
    );
    html.raw(if is_wrong { "\"notice ranges\" autofocus aria-invalid=true>" } else { "ranges>" });
    html.raw("<small id=ranges>");
    html.text(T.which_address);
    html.raw("</small></details>");
}

#[cfg(test)]
mod tests {
    use super::super::wire::Outcome;
    use super::*;

    fn answer(tls: bool) -> Answer {
        Answer { v: 1, visitor: "2001:db8::9".parse().ok(), tls, outcome: Outcome::Entry }
    }

    fn asked() -> Form {
        Form {
            user: "alice".to_owned(),
            challenge: "otp-md5 98 ke1234 ext".to_owned(),
            services: vec!["tcp/22".to_owned()],
            may_override: false,
            timeout: 300,
            token: "0f".repeat(16),
        }
    }

    fn shown(change: impl FnOnce(&mut Form), notice: Option<Notice>) -> String {
        let mut asked = asked();
        change(&mut asked);
        let page = form(&answer(true), &asked, notice).page;
        page.split_once("</style>").unwrap().1.to_owned()
    }

    #[test]
    fn the_form_shows_what_one_has_to_know() {
        let page = shown(|_| {}, None);
        for part in [
            "otp-md5 98 ke1234 ext",
            "2001:db8::9",
            "<code>tcp/22</code> for 5 minutes",
            "<label for=response>",
            "name=response required maxlength=160 autocomplete=one-time-code autocapitalize=none",
            "name=token value=\"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\"",
            "<form method=post action=\"?\">",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(page.find("value=open>").unwrap() < page.find("value=close>").unwrap());
        for absent in ["role=alert", "type=checkbox", "name=address", "name=choice", "aria-invalid", "<script", "http"]
        {
            assert!(!page.contains(absent), "{absent}");
        }
        let unknown = Answer { visitor: None, ..answer(true) };
        assert!(form(&unknown, &asked(), None).page.contains(T.unknown_address));
    }

    #[test]
    fn more_than_one_service_can_be_chosen_from() {
        let page = shown(|form| form.services = vec!["tcp/22".to_owned(), "a\"b<".to_owned()], None);
        assert!(page.contains("name=service checked value=\"tcp/22\"><code>tcp/22</code>"));
        assert!(page.contains("value=\"a&quot;b&lt;\"><code>a&quot;b&lt;</code>"));
        assert!(page.contains("type=hidden name=choice value=\"1\"") && page.contains("for 5 minutes"));
    }

    #[test]
    fn another_address_can_be_named_where_it_may() {
        let page = shown(|form| form.may_override = true, None);
        assert!(page.contains("<details><summary>For another") && page.contains(T.which_address));
        let page = shown(|form| form.may_override = true, Some(Notice::Address));
        assert!(page.contains("<details open>"));
        assert!(page.contains("aria-describedby=\"notice ranges\" autofocus aria-invalid=true"));
        assert_eq!(page.matches("autofocus").count(), 1);
    }

    #[test]
    fn every_notice_is_an_alert_of_its_own() {
        let notices =
            [Notice::Missing(Missing::Password), Notice::Missing(Missing::Service), Notice::Stale, Notice::Address];
        let texts: std::collections::BTreeSet<&str> = notices.map(Notice::text).into();
        assert_eq!(texts.len(), 4);
        for notice in notices {
            let page = shown(|form| form.may_override = true, Some(notice));
            assert!(page.contains("<div role=alert id=notice>") && page.contains("=\"notice "), "{notice:?}");
            assert!(page.matches("autofocus").count() <= 1);
        }
    }

    #[test]
    fn the_page_says_so_where_it_is_not_encrypted() {
        for (tls, count) in [(true, 0), (false, 1)] {
            for page in [entry(&answer(tls)).page, form(&answer(tls), &asked(), None).page] {
                assert_eq!(page.matches(T.unencrypted).count(), count);
            }
        }
    }
}
