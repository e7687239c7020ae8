//! The CGI program: one request read, the daemon asked, one page written.

use std::env;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::exchange::{Silence, ask, body};
use super::identity::drop_rights;
use super::pages::{answered, elsewhere, faulty, silent};
use super::reply::Reply;
use super::request::{Fault, Request, Variables};
use super::wire::{Ask, VERSION};
use crate::limits::{PAGE_ANSWER_TIME, PAGE_BODY_TIME};

/// Serves the visitor of whom environment and standard input tell (RFC 3875), by the daemon at this socket.
///
/// # Errors
/// One line for the web server's log, which is nobody else's business; the visitor has a page all the same.
pub fn serve(socket: &Path) -> Result<(), String> {
    let rights = drop_rights();
    let variables = Variables(|name: &str| env::var_os(name));
    let (reply, outcome) = match rights {
        Ok(()) => {
            let time = Duration::from_secs(PAGE_BODY_TIME);
            match (variables.read(|length| body(rustix::stdio::stdin(), length, time)), variables.page()) {
                (Err(Fault::Elsewhere), Some(page)) => (elsewhere(&page), Ok(())),
                (request, _) => reply(request, socket),
            }
        }
        Err(line) => (faulty(Fault::Server), Err(line)),
    };
    let is_head = outcome.is_ok() && variables.is_head();
    reply.write(&mut io::stdout().lock(), is_head).map_err(|error| format!("standard output: {error}"))?;
    outcome
}

fn reply(request: Result<Request, Fault>, socket: &Path) -> (Reply, Result<(), String>) {
    let Request { visit, question } = match request {
        Ok(request) => request,
        Err(Fault::Server) => {
            let line = "the web server sets no REQUEST_METHOD, or no REMOTE_ADDR that is an address".to_owned();
            return (faulty(Fault::Server), Err(line));
        }
        Err(fault) => return (faulty(fault), Ok(())),
    };
    let question_line = Ask { v: VERSION, visit, what: question.what };
    match ask(socket, &question_line, Duration::from_secs(PAGE_ANSWER_TIME)) {
        Ok(answer) => (answered(&answer, question.missing), Ok(())),
        Err(silence) => {
            let reply = silent(&silence);
            (reply, if let Silence::Away(line) = silence { Err(line) } else { Ok(()) })
        }
    }
}
