//! The page for each outcome.

use super::exchange::Silence;
use super::filled_in::Missing;
use super::form_page::{Notice, entry, form};
use super::html::Html;
use super::reply::{Reply, Status};
use super::request::Fault;
use super::texts::{ENGLISH, Texts};
use super::wire::{Answer, Opened, Outcome};

/// The words.
pub(super) const T: &Texts = &ENGLISH;

/// The style of every page.
pub(super) const STYLE: &str = include_str!("page.css");

/// The address of a page without its query, so that no page has to know where it is.
const PAGE: &str = "?";

/// So many passwords are few.
const FEW: u32 = 10;

/// The page for what the daemon answers.
pub(super) fn answered(answer: &Answer, missing: Option<Missing>) -> Reply {
    match &answer.outcome {
        Outcome::Entry => entry(answer),
        Outcome::Form(asked) => form(answer, asked, missing.map(Notice::Missing)),
        Outcome::Stale(asked) => form(answer, asked, Some(Notice::Stale)),
        Outcome::Address(asked) => form(answer, asked, Some(Notice::Address)),
        Outcome::Opened(opened) => open(opened),
        Outcome::Closed { count } => closed(*count > 0),
        Outcome::Gone => notice(Status::Gone, T.is_over, T.gone),
        Outcome::Refused => refused(),
        Outcome::Spent => notice(Status::Failed, T.spent_title, T.spent),
        Outcome::Plain => notice(Status::Forbidden, T.plain_title, T.plain),
        Outcome::Host => notice(Status::Misdirected, T.host_title, T.host),
        Outcome::Off => notice(Status::Forbidden, T.off_title, T.off),
        Outcome::Busy => busy(),
        Outcome::Malformed => faulty(Fault::Malformed),
    }
}

/// The page where the daemon does not answer.
pub(super) fn silent(silence: &Silence) -> Reply {
    match silence {
        Silence::Busy => busy(),
        Silence::Away(_) => notice(Status::Unavailable, T.away_title, T.away),
    }
}

/// The page for a request that is not asked.
pub(super) fn faulty(fault: Fault) -> Reply {
    match fault {
        Fault::Malformed => notice(Status::BadRequest, T.not_understood, T.malformed),
        Fault::Elsewhere => elsewhere(PAGE),
        Fault::Method => notice(Status::NotAllowed, T.not_understood, T.method),
        Fault::Foreign => notice(Status::Forbidden, T.not_opened, T.foreign),
        Fault::Long => notice(Status::TooLong, T.not_understood, T.long),
        Fault::Type => notice(Status::WrongType, T.not_understood, T.kind),
        Fault::Server => notice(Status::Failed, T.server_title, T.server),
    }
}

/// The page for an address below the page's own, which is this one.
pub(super) fn elsewhere(page_itself: &str) -> Reply {
    page(Status::NotFound, T.elsewhere_title, |html| {
        html.within("<div role=alert><p>", T.not_here, "</p></div>");
        way(html, page_itself, T.to_the_start);
    })
}

fn busy() -> Reply {
    notice(Status::Unavailable, T.busy_title, T.busy)
}

/// A page with this heading.
pub(super) fn page(status: Status, title: &str, fill: impl FnOnce(&mut Html)) -> Reply {
    let mut html = Html::new();
    html.within("<!DOCTYPE html><html lang=", T.lang, "><head><meta charset=utf-8>");
    html.raw("<meta name=viewport content=\"width=device-width,initial-scale=1\"><meta name=color-scheme content=");
    html.within("\"light dark\"><title>", title, "</title><style>").raw(STYLE).raw("</style></head><body><main>");
    html.within("<h1>", title, "</h1>");
    fill(&mut html);
    html.raw("</main></body></html>\n");
    Reply { status, page: html.into_string() }
}

/// A page that says one thing, which went wrong.
fn notice(status: Status, title: &str, text: &str) -> Reply {
    page(status, title, |html| {
        html.within("<div role=alert><p>", text, "</p></div>");
        to_the_start(html, T.to_the_start);
    })
}

/// The way back.
fn to_the_start(html: &mut Html, text: &str) {
    way(html, PAGE, text);
}

fn way(html: &mut Html, to: &str, text: &str) {
    html.within("<a class=button href=\"", to, "\">").within("", text, "</a>");
}

/// One and the same for every refusal.
fn refused() -> Reply {
    page(Status::Forbidden, T.not_opened, |html| {
        html.within("<div role=alert><p>", T.refused, "</p></div>");
        html.within("<div class=card><p>", T.may_be, "</p><ul>");
        for cause in T.causes {
            html.within("<li>", cause, "</li>");
        }
        html.raw("</ul>");
        to_the_start(html, T.try_again);
        html.raw("</div>");
    })
}

fn open(opened: &Opened) -> Reply {
    page(Status::Ok, T.is_open, |html| {
        if let Some(left) = opened.passwords_left.filter(|&left| left <= FEW) {
            html.within("<div role=alert><p>", if left == 0 { T.none_left } else { T.few_left }, "</p></div>");
        }
        html.raw("<div class=card><dl>");
        html.within("<div><dt>", T.now_open, "</dt>");
        for service in &opened.opened {
            html.within("<dd><code>", service, "</code></dd>");
        }
        html.within("</div><div><dt>", T.for_whom, "</dt>").within("<dd><code>", &opened.source, "</code></dd></div>");
        html.within("<div><dt>", T.closes_in, "</dt>");
        html.within("<dd class=big>", &duration(opened.seconds), "</dd></div>");
        html.within("<div><dt>", T.opened_by, "</dt>").within("<dd>", &opened.user, "</dd></div>");
        if let Some(left) = opened.passwords_left {
            html.within("<div><dt>", T.passwords_left, "</dt>").within("<dd>", &left.to_string(), "</dd></div>");
        }
        html.within("</dl><p>", T.connect_now, "</p>");
        if opened.new_chain {
            html.within("<p>", T.new_chain, "</p>");
        }
        html.raw("<form method=post action=\"?\">").hidden("ticket", &opened.ticket);
        html.within("<button class=main name=do value=show>", T.show_again, "</button>");
        html.within("<button name=do value=end>", T.close_now, "</button></form></div>");
    })
}

fn closed(was_open: bool) -> Reply {
    page(Status::Ok, T.is_closed, |html| {
        html.raw("<div class=card role=status>");
        if was_open {
            html.within("<p>", T.closed, "</p>").within("<p>", T.connections_stay, "</p>");
        } else {
            html.within("<p>", T.nothing_was_open, "</p>");
        }
        to_the_start(html, T.to_the_start);
        html.raw("</div>");
    })
}

/// A time as people say it: its hours, minutes and seconds, without those that are none.
pub(super) fn duration(seconds: u32) -> String {
    let parts = [
        (seconds / 3_600, T.hour, T.hours),
        (seconds / 60 % 60, T.minute, T.minutes),
        (seconds % 60, T.second, T.seconds),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|&&(number, ..)| number > 0 || seconds == 0)
        .map(|&(number, one, many)| if number == 1 { one.to_owned() } else { many.replace("{}", &number.to_string()) })
        .collect();
    // Of no time at all, its seconds.
    if seconds == 0 { said.last().cloned().unwrap_or_default() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (300, "5 minutes"),
            (298, "4 minutes 58 seconds"),
            (3_600, "1 hour"),
            (7_261, "2 hours 1 minute 1 second"),
            (u32::MAX, "1193046 hours 28 minutes 15 seconds"),
        ] {
            assert_eq!(duration(seconds), said);
        }
    }

    fn opened(passwords_left: Option<u32>) -> String {
        let opened = Opened {
            user: "<alice>".to_owned(),
            source: "2001:db8::9".to_owned(),
            opened: vec!["tcp/22".to_owned(), "tcp/2222 to <192.168.1.10>:22".to_owned()],
            seconds: 298,
            passwords_left,
            ticket: "0f\"".to_owned(),
            new_chain: false,
        };
        open(&opened).page
    }

    #[test]
    fn what_is_open_is_shown_and_can_be_closed() {
        let page = opened(Some(97));
        for part in [
            "<h1>It is open</h1>",
            "<code>tcp/22</code>",
            "<code>tcp/2222 to &lt;192.168.1.10&gt;:22</code>",
            "<code>2001:db8::9</code>",
            "4 minutes 58 seconds",
            "&lt;alice&gt;",
            "<dd>97</dd>",
            "<input type=hidden name=ticket value=\"0f&quot;\">",
            "name=do value=show",
            "name=do value=end",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("<div role=alert") && !page.contains(T.new_chain));
    }

    #[test]
    fn the_end_of_the_passwords_is_announced() {
        assert!(opened(Some(10)).contains(T.few_left) && !opened(Some(11)).contains(T.few_left));
        assert!(opened(Some(0)).contains(T.none_left) && !opened(None).contains(T.passwords_left));
    }

    #[test]
    fn every_fault_has_a_page_of_its_own() {
        let faults = [
            Fault::Malformed,
            Fault::Elsewhere,
            Fault::Method,
            Fault::Foreign,
            Fault::Long,
            Fault::Type,
            Fault::Server,
        ];
        let pages: std::collections::BTreeSet<String> = faults.map(|fault| faulty(fault).page).into();
        assert_eq!(pages.len(), faults.len());
        assert!(pages.iter().all(|page| page.contains("<h1>") && page.contains("<div role=alert")));
    }
}
