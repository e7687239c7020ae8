//! One connected client: its unfinished request, its unread replies, and how long it may take.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::reply::{self, News};
use super::request::Request;
use super::ring::Ring;
use super::{BACKLOG_MAX, IDLE_MAX, REQUEST_MAX, VERSION};

/// What the daemon answers.
#[derive(Debug)]
pub struct Answer {
    /// One line with its end.
    pub line: Vec<u8>,
    /// The number of the first event that the client is to get unasked.
    pub follow: Option<u64>,
}

/// The client is gone, or has to go.
#[derive(Debug)]
pub(super) struct Gone;

/// One client.
#[derive(Debug)]
pub(super) struct Peer {
    stream: UnixStream,
    input: Vec<u8>,
    /// Whether the client will ask nothing more.
    ended: bool,
    output: Vec<u8>,
    follow: Option<u64>,
    deadline: Duration,
}

impl Peer {
    pub(super) fn new(stream: UnixStream, now: Duration) -> Self {
        let deadline = now.saturating_add(IDLE_MAX);
        Self { stream, input: Vec::new(), ended: false, output: Vec::new(), follow: None, deadline }
    }

    /// What to wait for: room for the reply, or else the next request.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let flags = if self.output.is_empty() { PollFlags::IN } else { PollFlags::OUT };
        PollFd::from_borrowed_fd(self.stream.as_fd(), flags)
    }

    /// When there is something to do even if the client does nothing.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.output.is_empty() && self.input.contains(&b'\n') {
            return Some(Duration::ZERO);
        }
        (self.follow.is_none() || !self.output.is_empty()).then_some(self.deadline)
    }

    /// Goes on as far as that is possible without waiting; one request a turn, so that captures have theirs.
    pub(super) fn turn(&mut self, now: Duration, answer: &mut dyn FnMut(Request) -> Answer) -> Result<(), Gone> {
        self.flush(now)?;
        if self.output.is_empty() && !self.ended {
            self.read()?;
        }
        if self.output.is_empty() {
            if let Some(request) = self.take_request() {
                let answer = match request {
                    Ok(request) => answer(request),
                    Err(words) => Answer { line: reply::error(words), follow: None },
                };
                self.follow = answer.follow.or(self.follow);
                self.deadline = now.saturating_add(IDLE_MAX);
                self.output = answer.line;
                self.flush(now)?;
            } else if self.ended {
                return Err(Gone);
            }
        }
        if self.due().is_some_and(|due| due > Duration::ZERO && due <= now) { Err(Gone) } else { Ok(()) }
    }

    /// Hands on the events that the client has not got yet, as far as its backlog allows.
    pub(super) fn publish(&mut self, ring: &Ring, now: Duration) -> Result<(), Gone> {
        let Some(mut next) = self.follow.filter(|&next| next != ring.next()) else { return Ok(()) };
        if self.output.is_empty() {
            self.deadline = now.saturating_add(IDLE_MAX);
        }
        for event in ring.since(next) {
            if self.output.len() > BACKLOG_MAX {
                break;
            }
            let missed = Some(event.number.saturating_sub(next)).filter(|&missed| missed > 0);
            if missed.is_some() {
                self.output.extend(reply::line(&News { v: VERSION, event: None, missed }));
            }
            self.output.extend(reply::line(&News { v: VERSION, event: Some(event), missed: None }));
            next = event.number.saturating_add(1);
        }
        self.follow = Some(next);
        self.flush(now)
    }

    /// Takes in what the client sent, at most one request's worth beyond what is there.
    fn read(&mut self) -> Result<(), Gone> {
        let mut buffer = [0; REQUEST_MAX];
        while self.input.len() <= REQUEST_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(length) => self.input.extend(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// The next whole request; what can never become one ends the conversation.
    fn take_request(&mut self) -> Option<Result<Request, String>> {
        let end = self.input.iter().take(REQUEST_MAX).position(|&byte| byte == b'\n');
        if let Some(end) = end {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            return Some(Request::parse(line.strip_suffix(b"\n").unwrap_or(&line)));
        }
        let problem = if self.input.len() >= REQUEST_MAX {
            format!("the request is longer than {REQUEST_MAX} bytes")
        } else if self.ended && !self.input.is_empty() {
            "the request was cut: it has no line end".to_owned()
        } else {
            return None;
        };
        self.input = Vec::new();
        self.ended = true;
        Some(Err(problem))
    }

    /// Writes what the socket takes.
    fn flush(&mut self, now: Duration) -> Result<(), Gone> {
        let mut sent = 0;
        while let Some(rest) = self.output.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(Gone),
                Ok(length) => sent = sent.saturating_add(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        if sent > 0 {
            self.output.drain(..sent);
            self.deadline = now.saturating_add(IDLE_MAX);
        }
        if self.output.is_empty() {
            // A long reply's memory is not kept for the next short one.
            self.output = Vec::new();
        }
        Ok(())
    }
}
