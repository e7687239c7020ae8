//! One connected client: its unfinished request, its unread replies, and how long it may take.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};

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
        let flags = if self.output.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLOUT };
        PollFd::new(self.stream.as_fd(), flags)
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
        while let Some(next) = self.follow.filter(|&next| next != ring.next()) {
            if self.output.is_empty() {
                self.deadline = now.saturating_add(IDLE_MAX);
            }
            self.follow = Some(self.take_events(ring, next));
            self.flush(now)?;
            if !self.output.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Adds the events from the one of this number on to the backlog, until that is full; says which is next.
    fn take_events(&mut self, ring: &Ring, mut next: u64) -> u64 {
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
        next
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

#[cfg(test)]
mod tests {
    use super::super::ring::{Event, Kind};
    use super::*;
    use std::io::{BufRead as _, BufReader};

    const NOW: Duration = Duration::from_secs(100);

    fn pair() -> (UnixStream, Peer) {
        let (client, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        (client, Peer::new(server, NOW))
    }

    /// Names the request; follows events where they are asked for with `follow`.
    #[expect(clippy::needless_pass_by_value, reason = "this is how the daemon is asked")]
    fn echo(request: Request) -> Answer {
        let follow = (request == Request::Events { follow: true }).then_some(0);
        Answer { line: format!("{request:?}\n").into_bytes(), follow }
    }

    fn all(mut client: &UnixStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn requests_may_come_in_pieces_or_together() {
        let (mut client, mut peer) = pair();
        let line = b"{\"v\":1,\"request\":\"status\"}\n";
        for byte in line {
            client.write_all(&[*byte]).unwrap();
            peer.turn(NOW, &mut echo).unwrap();
        }
        client.write_all(&[&line[..], line].concat()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        peer.turn(NOW, &mut echo).unwrap();
        assert_eq!(peer.due(), Some(Duration::ZERO), "one request a turn");
        peer.turn(NOW, &mut echo).unwrap();
        assert!(peer.turn(NOW, &mut echo).is_err(), "it has asked all it wanted");
        drop(peer);
        assert_eq!(all(&client), "Status\nStatus\nStatus\n");
    }

    #[test]
    fn what_cannot_become_a_request_is_answered_and_ends_the_conversation() {
        for (sent, words) in [
            (&b"{\"v\":1,\"request\":\"sta"[..], "was cut"),
            (&[b'x'; REQUEST_MAX], "longer than 4096 bytes"),
            (&[b'\n'.wrapping_add(1); 3 * REQUEST_MAX], "longer than 4096 bytes"),
            (b"\n", "not a JSON object"),
        ] {
            let (mut client, mut peer) = pair();
            client.write_all(sent).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            peer.turn(NOW, &mut echo).unwrap();
            assert!(peer.turn(NOW, &mut echo).is_err());
            let mut reply = String::new();
            BufReader::new(&client).read_line(&mut reply).unwrap();
            assert!(reply.contains("\"ok\":false") && reply.contains(words), "{reply}");
        }
    }

    #[test]
    fn who_neither_asks_nor_reads_has_to_go() {
        let (_client, mut peer) = pair();
        assert!(peer.turn(NOW + IDLE_MAX / 2, &mut echo).is_ok());
        assert!(peer.turn(NOW + IDLE_MAX, &mut echo).is_err());

        let (mut client, mut peer) = pair();
        let long = |_: Request| Answer { line: vec![b'x'; 1 << 22], follow: None };
        client.write_all(b"{\"v\":1,\"request\":\"status\"}\n{\"v\":1,\"request\":\"status\"}\n").unwrap();
        peer.turn(NOW, &mut { long }).unwrap();
        assert!(!peer.output.is_empty() && peer.due() == Some(NOW + IDLE_MAX));
        peer.turn(NOW + IDLE_MAX / 2, &mut { long }).unwrap();
        assert!(peer.turn(NOW + IDLE_MAX, &mut { long }).is_err());
    }

    #[test]
    fn a_slow_follower_costs_a_bounded_backlog_and_learns_what_it_missed() {
        let (mut client, mut peer) = pair();
        client.write_all(b"{\"v\":1,\"request\":\"events\",\"follow\":true}\n").unwrap();
        peer.turn(NOW, &mut echo).unwrap();
        assert_eq!(peer.due(), None, "a follower need not ask");
        let mut ring = Ring::default();
        for time in 0..10_000 {
            ring.push(Event { text: Some("x".repeat(500)), ..Event::new(Kind::Grant, time) });
            peer.publish(&ring, NOW).unwrap();
            assert!(peer.output.len() < BACKLOG_MAX + 1000);
        }
        assert_eq!(peer.due(), Some(NOW + IDLE_MAX));
        // It reads again: the rest, and how much was lost.
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(client).lines().map_while(Result::ok);
            lines.take_while(|line| !line.contains("\"number\":9999,")).collect::<Vec<String>>()
        });
        for _ in 0..10_000 {
            peer.turn(NOW, &mut echo).unwrap();
            peer.publish(&ring, NOW).unwrap();
            if peer.follow == Some(10_000) && peer.output.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        let lines = reader.join().unwrap();
        let missed: Vec<u64> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("{\"v\":1,\"missed\":")?.strip_suffix('}')?.parse().ok())
            .collect();
        assert_eq!(missed.len(), 1);
        // The reply, the line about what was missed, and all but the last event.
        assert_eq!(lines.len() - 2 + usize::try_from(missed[0]).unwrap(), 9_999);
    }

    #[test]
    fn a_burst_beyond_the_backlog_is_handed_on_at_once_where_the_socket_takes_it() {
        let (mut client, mut peer) = pair();
        client.write_all(b"{\"v\":1,\"request\":\"events\",\"follow\":true}\n").unwrap();
        peer.turn(NOW, &mut echo).unwrap();
        let mut ring = Ring::default();
        let count = u64::try_from(BACKLOG_MAX / 500 + 20).unwrap();
        for time in 0..count {
            ring.push(Event { text: Some("x".repeat(500)), ..Event::new(Kind::Grant, time) });
        }
        peer.publish(&ring, NOW).unwrap();
        assert!(peer.output.is_empty() && peer.follow == Some(count), "{:?}", peer.follow);
    }
}
