//! One exchange with the page's program: a line in, a line out, within a bounded time.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use zeroize::Zeroizing;

use crate::limits::{PAGE_DEADLINE, PAGE_FORM_TIME, PAGE_LINE_MAX, PAGE_REFUSAL_TIME};
use crate::web::wire::{Answer, Ask, Outcome, VERSION, What, line};

/// The guest is gone, or has to go.
#[derive(Debug)]
pub(super) struct Gone;

/// How far the exchange has come.
#[derive(Debug)]
enum Stage {
    /// This much of the question has come.
    Asks(Zeroizing<Vec<u8>>),
    /// The answer is given at this time since boot, and not earlier.
    Waits(Zeroizing<Vec<u8>>, Duration),
    /// So many bytes of the answer are sent.
    Reads(Zeroizing<Vec<u8>>, usize),
}

/// Somebody who was let in.
#[derive(Debug)]
pub(super) struct Guest {
    stream: UnixStream,
    stage: Stage,
    deadline: Duration,
}

impl Guest {
    pub(super) fn new(stream: UnixStream, now: Duration) -> Self {
        // The whole buffer from the start: one that grows leaves copies of the password behind.
        let stage = Stage::Asks(Zeroizing::new(Vec::with_capacity(PAGE_LINE_MAX)));
        Self { stream, stage, deadline: now.saturating_add(Duration::from_secs(PAGE_DEADLINE)) }
    }

    /// What to wait for; nothing while the answer waits for its time.
    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        let flags = match self.stage {
            Stage::Asks(_) => PollFlags::POLLIN,
            Stage::Waits(..) => return None,
            Stage::Reads(..) => PollFlags::POLLOUT,
        };
        Some(PollFd::new(self.stream.as_fd(), flags))
    }

    /// When there is something to do even if the guest does nothing.
    pub(super) fn due(&self) -> Duration {
        match self.stage {
            Stage::Waits(_, due) => due,
            Stage::Asks(_) | Stage::Reads(..) => self.deadline,
        }
    }

    /// Goes on as far as that is possible without waiting for the guest.
    pub(super) fn turn(
        &mut self,
        clock: &dyn Fn() -> Duration,
        answer: &mut dyn FnMut(Ask, Duration) -> Answer,
    ) -> Result<(), Gone> {
        let now = clock();
        if let Stage::Waits(reply, due) = &mut self.stage {
            if now < *due {
                return Ok(());
            }
            self.stage = Stage::Reads(std::mem::take(reply), 0);
        } else if now >= self.deadline {
            // Whoever asked has given up by now; nothing is spent for nobody.
            return Err(Gone);
        }
        if let Stage::Asks(_) = self.stage {
            let Some(question) = self.read()? else { return Ok(()) };
            let reply = match question.and_then(|line| Ask::parse(&line)) {
                // The desk may have been busy for so long that whoever asked has given up.
                Some(Ask { what: What::Login(_), .. }) if self.has_left() => return Err(Gone),
                Some(ask) => answer(ask, now),
                None => Answer { v: VERSION, visitor: None, tls: false, outcome: Outcome::Malformed },
            };
            let step = step(&reply.outcome);
            // Every answer fits: what it is made of is bounded when the configuration is read.
            let reply = line(&reply).ok_or(Gone)?;
            // Whatever it is for, and however long it took.
            if let Some(due) = step.map(|step| due(now, clock(), step)) {
                self.stage = Stage::Waits(reply, due);
                return Ok(());
            }
            self.stage = Stage::Reads(reply, 0);
        }
        self.write()
    }

    /// Whether nobody will read an answer.
    fn has_left(&self) -> bool {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        let at_once = Some(nix::sys::time::TimeSpec::new(0, 0));
        let is_over = PollFlags::POLLHUP | PollFlags::POLLERR;
        let polled = nix::poll::ppoll(&mut fds, at_once, None).is_ok();
        polled && fds.iter().filter_map(PollFd::revents).any(|found| found.intersects(is_over))
    }

    /// The whole question, once it is there; `Some(None)` for what can never become one.
    fn read(&mut self) -> Result<Option<Option<Zeroizing<Vec<u8>>>>, Gone> {
        let Stage::Asks(input) = &mut self.stage else { return Ok(None) };
        let mut buffer = Zeroizing::new([0; PAGE_LINE_MAX]);
        loop {
            match self.stream.read(&mut *buffer) {
                Ok(0) if input.is_empty() => return Err(Gone),
                Ok(0) => return Ok(Some(None)),
                Ok(length) => {
                    let read = buffer.get(..length).unwrap_or_default();
                    if input.len().saturating_add(length) > PAGE_LINE_MAX {
                        return Ok(Some(None));
                    }
                    input.extend_from_slice(read);
                    match input.iter().position(|&byte| byte == b'\n') {
                        Some(end) if end.saturating_add(1) == input.len() => {
                            input.pop();
                            return Ok(Some(Some(std::mem::take(input))));
                        }
                        Some(_) => return Ok(Some(None)),
                        None if input.len() == PAGE_LINE_MAX => return Ok(Some(None)),
                        None => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Writes what the socket takes; the exchange is over with the last byte.
    fn write(&mut self) -> Result<(), Gone> {
        let Stage::Reads(reply, sent) = &mut self.stage else { return Ok(()) };
        while let Some(rest) = reply.get(*sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(Gone),
                Ok(length) => *sent = sent.saturating_add(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Err(Gone)
    }
}

/// The steps of time in which answers are given whose time could tell something: who is known, or what the desk does.
fn step(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Refused => Some(Duration::from_millis(PAGE_REFUSAL_TIME)),
        Outcome::Form(_) | Outcome::Stale(_) | Outcome::Address(_) => Some(Duration::from_millis(PAGE_FORM_TIME)),
        _ => None,
    }
}

/// The end of the step that it is now, or of the first one.
fn due(asked: Duration, now: Duration, step: Duration) -> Duration {
    let taken = now.saturating_sub(asked).as_millis();
    let steps = taken.checked_div(step.as_millis()).and_then(|steps| u32::try_from(steps).ok()).unwrap_or(0);
    asked.saturating_add(step.saturating_mul(steps.saturating_add(1)))
}

/// Says to one guest too many that it is one.
pub(super) fn send_away(mut stream: UnixStream) {
    if let Some(line) = line(&Answer { v: VERSION, visitor: None, tls: false, outcome: Outcome::Busy }) {
        // It fits into the empty socket, or the guest is gone.
        let _ = stream.write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const QUESTION: &[u8] =
        b"{\"v\":1,\"visit\":{\"peer\":\"192.0.2.1\",\"forwarded\":null,\"tls\":true,\"host\":null},\"what\":\"entry\"}\n";

    fn pair() -> (UnixStream, Guest) {
        let (client, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        (client, Guest::new(server, NOW))
    }

    fn reply(outcome: Outcome) -> Answer {
        Answer { v: VERSION, visitor: None, tls: true, outcome }
    }

    fn turn(guest: &mut Guest, now: Duration, outcome: &Outcome) -> Result<(), Gone> {
        guest.turn(&|| now, &mut |_, _| reply(outcome.clone()))
    }

    fn all(mut client: &UnixStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_question_in_pieces_gets_one_answer_and_the_end() {
        let (mut client, mut guest) = pair();
        for (place, byte) in QUESTION.iter().enumerate() {
            client.write_all(&[*byte]).unwrap();
            assert_eq!(turn(&mut guest, NOW, &Outcome::Entry).is_err(), place + 1 == QUESTION.len());
        }
        drop(guest);
        assert_eq!(all(&client), "{\"v\":1,\"visitor\":null,\"tls\":true,\"outcome\":\"entry\"}\n");
    }

    #[test]
    fn a_refusal_comes_a_second_after_the_question_whatever_took_how_long() {
        let (mut client, mut guest) = pair();
        client.write_all(QUESTION).unwrap();
        let times = std::cell::Cell::new(NOW);
        let took = |milliseconds| times.set(NOW + Duration::from_millis(milliseconds));
        let slow = &mut |_, _| {
            took(400);
            reply(Outcome::Refused)
        };
        assert!(guest.turn(&|| times.get(), slow).is_ok());
        assert_eq!((guest.due(), guest.poll_fd().is_none()), (NOW + Duration::from_secs(1), true));
        assert!(turn(&mut guest, NOW + Duration::from_millis(999), &Outcome::Entry).is_ok());
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0; 1]).is_err());
        assert!(turn(&mut guest, NOW + Duration::from_secs(1), &Outcome::Entry).is_err());
        drop(guest);
        assert!(all(&client).contains("refused"));
    }

    #[test]
    fn late_refusals_and_forms_come_at_the_end_of_a_step() {
        let form = crate::web::wire::Form {
            user: String::new(),
            challenge: String::new(),
            services: vec![],
            may_override: false,
            timeout: 1,
            token: String::new(),
        };
        for (outcome, took, answered) in [
            (Outcome::Refused, 0, 1_000),
            (Outcome::Refused, 999, 1_000),
            (Outcome::Refused, 1_001, 2_000),
            (Outcome::Refused, 5_200, 6_000),
            (Outcome::Form(form.clone()), 0, 150),
            (Outcome::Stale(form.clone()), 149, 150),
            (Outcome::Address(form), 151, 300),
        ] {
            let (mut client, mut guest) = pair();
            client.write_all(QUESTION).unwrap();
            let times = std::cell::Cell::new(NOW);
            let slow = &mut |_, _| {
                times.set(NOW + Duration::from_millis(took));
                reply(outcome.clone())
            };
            assert!(guest.turn(&|| times.get(), slow).is_ok());
            assert_eq!(guest.due(), NOW + Duration::from_millis(answered), "{outcome:?} after {took} ms");
        }
    }

    #[test]
    fn what_is_no_question_is_told_so() {
        let long = vec![b'x'; PAGE_LINE_MAX + 1];
        let twice = [QUESTION, QUESTION].concat();
        for (sent, ends) in [
            (&b"\n"[..], false),
            (b"{}\n", false),
            (&QUESTION[..50], true),
            (&twice, false),
            (&long, false),
            (&long[1..], false),
            (b"\0\xff\n", false),
        ] {
            let (mut client, mut guest) = pair();
            client.write_all(sent).unwrap();
            if ends {
                client.shutdown(std::net::Shutdown::Write).unwrap();
            }
            assert!(turn(&mut guest, NOW, &Outcome::Entry).is_err());
            drop(guest);
            let mut told = String::new();
            // What was not read makes an end of the connection that is an error.
            let _ = client.read_to_string(&mut told);
            assert!(told.contains("\"malformed\""), "{told}");
        }
    }

    #[test]
    fn who_is_late_is_gone_and_nothing_is_spent() {
        let (mut client, mut guest) = pair();
        assert!(turn(&mut guest, NOW + Duration::from_secs(9), &Outcome::Entry).is_ok());
        client.write_all(QUESTION).unwrap();
        let late = guest.turn(&|| NOW + Duration::from_secs(10), &mut |_, _| panic!("nobody waits for it"));
        assert!(late.is_err());
        let (client, mut guest) = pair();
        drop(client);
        assert!(turn(&mut guest, NOW, &Outcome::Entry).is_err());
    }

    #[test]
    fn who_has_left_spends_no_password() {
        let login = "{\"login\":{\"token\":\"\",\"user\":\"alice\",\"response\":\"x\",\"address\":null,\"services\":null,\
            \"sign_off\":false}}";
        let question = std::str::from_utf8(QUESTION).unwrap().replace("\"entry\"", login);
        for (stays, calls) in [(true, 1), (false, 0)] {
            let (mut client, mut guest) = pair();
            client.write_all(question.as_bytes()).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let _client = stays.then_some(client);
            let mut asked = 0;
            let ended = guest.turn(&|| NOW, &mut |_, _| {
                asked += 1;
                reply(Outcome::Spent)
            });
            assert_eq!((asked, ended.is_err()), (calls, true));
        }
    }
}
