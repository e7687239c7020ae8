//! docs/failing-calls.md: the table for people.

use std::fmt::Write as _;

use super::points::{
    CHANGES, HELPER, HELPER_STARTS, HELPERS, KNOCKS, Moment, On, Outcome, Point, REQUESTS, SAVES, STARTS,
};

/// The whole document.
pub(crate) fn text() -> String {
    let parts = [
        ("While the daemon starts", STARTS),
        ("While a daemon with a helper starts", HELPER_STARTS),
        ("On the way of a knock", KNOCKS),
        ("When the state file is written, and at the end", SAVES),
        ("When devices or the ruleset change", CHANGES),
        ("When somebody asks", REQUESTS),
        ("Towards the helper, which runs commands and looks names up", HELPER),
        ("In the helper", HELPERS),
    ];
    let count: usize = parts.iter().map(|(_, points)| points.len()).sum();
    let mut text = format!(
        "# System calls that fail\n\n\
         Made from `tests/failing/points.rs` by `UPDATE_DOCS=1 cargo test --test failing document`; a test keeps it true.\n\n\
         Each of these {count} calls fails once on purpose while the real daemon does something, by strace's fault\n\
         injection. Whatever fails, the kernel is open for honoured knocks alone; a knock that was honoured or refused is\n\
         refused when it is played again, and so is one for the router's own address; a fresh knock opens; the daemon lives\n\
         (but for a start that ends), sleeps when nothing happens, and holds no descriptor more than before.\n\n\
         A call that is made several times then fails at the one whose number is given. Instead of failing, a write may\n\
         be cut to so many bytes.\n"
    );
    for (title, points) in parts {
        write!(text, "\n## {title}\n\n| call | fails with | meanwhile | outcome |\n|---|---|---|---|\n").expect("text");
        for point in points {
            let Point { call, error, moment, .. } = point;
            let about = on(point.on);
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            let nth = if point.nth > 1 { format!(", no. {}", point.nth) } else { String::new() };
            let error = if error.parse::<u32>().is_ok() { format!("{error} bytes") } else { (*error).to_owned() };
            writeln!(
                text,
                "| `{call}`{about}{nth} | {error} | {} | {} |",
                meanwhile(*moment),
                outcome(point.outcome, *moment)
            )
            .expect("text");
        }
    }
    text
}

fn on(on: On) -> &'static str {
    match on {
        On::Any => "",
        On::Capture => "capture",
        On::Requests => "nftables",
        On::Events => "nftables' news",
        On::Links => "news of devices",
        On::Asking => "questions about devices",
        On::Routes => "routes",
        On::Helper => "helper",
        On::Journal => "journal",
        On::NewJournal => "new journal",
        On::NewState => "new state file",
        On::StateDirectory => "state directory",
        On::Config => "configuration",
        On::Lock => "lock",
        On::Control => "control socket",
        On::File(name) => name,
    }
}

fn meanwhile(moment: Moment) -> &'static str {
    match moment {
        Moment::Start => "start",
        Moment::Idle => "waiting",
        Moment::Knock => "knock",
        Moment::TcpKnock => "knock at the TCP listener",
        Moment::Command => "knock for a command",
        Moment::Name => "knock with a host name",
        Moment::Status => "`status`",
        Moment::Reload => "`reload`",
        Moment::Hangup => "SIGHUP",
        Moment::Revoke => "`revoke --all`",
        Moment::Change => "somebody else changes the ruleset",
        Moment::Refill => "somebody else deletes the table",
        Moment::Device => "the device goes and comes back",
        Moment::Save => "the state is saved after a knock",
        Moment::Stop => "SIGTERM",
    }
}

fn outcome(outcome: Outcome, moment: Moment) -> String {
    match outcome {
        Outcome::Ends(word) => format!("exit status 1 and one line that names `{word}`"),
        Outcome::Warns(words) => format!("a warning with `{words}`; served all the same"),
        Outcome::Done => "done all the same".to_owned(),
        Outcome::Within(seconds) => format!("done within {seconds} s"),
        Outcome::Refused(code) => format!("refused: `{code}`"),
        Outcome::Told(words) => format!("whoever asked is told: `{words}`; works the next time"),
        Outcome::NextTime if matches!(moment, Moment::Knock | Moment::TcpKnock) => {
            "the knock is lost; the next one opens".to_owned()
        }
        Outcome::NextTime => "a warning; works the next time".to_owned(),
    }
}
