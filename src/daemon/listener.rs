//! The optional TCP listener: it hears what clients say, has it judged as a knock, and never says a word itself.
//!
//! What a client said is judged once, when its connection ends. It ends when the client has closed its side, when a
//! blank line has ended a request of HTTP, when as many bytes came as the longest knock has, when its time is up, or
//! when its place is needed for another one.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU16;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use rustix::io::{self, Errno};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::capture::{Datagram, Transport};
use crate::limits::{CONNECTION_DEADLINE, CONNECTIONS_MAX, PACKET_MAX};

/// Connections that the kernel may hold ready for us.
const BACKLOG: i32 = 64;

/// Connections that one family may bring in one turn, so that the other one and the captures have theirs.
const TURN: usize = CONNECTIONS_MAX / 2;

/// How long the kernel is not asked for connections after it could not give one, such as for want of memory.
const PAUSE: Duration = Duration::from_secs(1);

/// The end of a request of HTTP.
const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";

/// A port at all addresses, and the connections to it.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    /// The oldest first.
    connections: Vec<Connection>,
    paused_until: Option<Duration>,
}

/// One client.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    said: [u8; PACKET_MAX],
    length: usize,
    until: Duration,
}

impl Listener {
    /// Opens the port at all IPv4 and IPv6 addresses; a port below 1024 takes the rights of root.
    ///
    /// # Errors
    /// One line that names the port.
    pub fn open(port: NonZeroU16) -> Result<Self, String> {
        let mut sockets = Vec::with_capacity(2);
        for address in [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)] {
            match open(SocketAddr::new(address, port.get())) {
                Ok(socket) => sockets.push(socket),
                // A kernel without IPv6.
                Err(Errno::AFNOSUPPORT) if address.is_ipv6() => {}
                Err(error) => return Err(format!("cannot listen at TCP port {port} (option tcp_listen): {error}")),
            }
        }
        Ok(Self { sockets, connections: Vec::with_capacity(CONNECTIONS_MAX), paused_until: None })
    }

    /// The descriptors to poll for readability.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sockets = if self.paused_until.is_none() { self.sockets.as_slice() } else { &[] };
        sockets.iter().map(|socket| socket.as_fd()).chain(self.connections.iter().map(|one| one.stream.as_fd()))
    }

    /// When there is something to do although nothing is readable.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.connections.first().map(|oldest| oldest.until).into_iter().chain(self.paused_until).min()
    }

    /// Hears every client, takes new ones in, hands on what those have said whose connection ends, and gives the
    /// number of new ones; never waits.
    pub fn turn(&mut self, now: Duration, mut each: impl FnMut(Datagram<'_>)) -> usize {
        self.hear(now, &mut each);
        let taken = if self.paused_until.is_none_or(|until| now >= until) { self.accept(now, &mut each) } else { 0 };
        if taken > 0 {
            self.hear(now, &mut each);
        }
        taken
    }

    fn hear(&mut self, now: Duration, each: &mut impl FnMut(Datagram<'_>)) {
        self.connections.retain_mut(|connection| {
            let goes_on = connection.hear() && now < connection.until;
            if !goes_on {
                connection.hand_on(each);
            }
            goes_on
        });
    }

    fn accept(&mut self, now: Duration, each: &mut impl FnMut(Datagram<'_>)) -> usize {
        let Self { sockets, connections, paused_until } = self;
        *paused_until = None;
        let mut taken = 0;
        for socket in sockets {
            for _ in 0..TURN {
                let (stream, peer) = match socket.accept() {
                    Ok((stream, peer)) if stream.set_nonblocking(true).is_ok() => (stream, peer),
                    Ok(_) => continue,
                    Err(error) if [ErrorKind::Interrupted, ErrorKind::ConnectionAborted].contains(&error.kind()) => {
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        *paused_until = Some(now.saturating_add(PAUSE));
                        break;
                    }
                };
                if connections.len() >= CONNECTIONS_MAX {
                    connections.remove(0).hand_on(each);
                }
                let until = now.saturating_add(Duration::from_secs(CONNECTION_DEADLINE));
                connections.push(Connection { stream, peer, said: [0; PACKET_MAX], length: 0, until });
                taken += 1;
            }
        }
        taken
    }
}

impl Connection {
    /// Reads what is there; whether more may come.
    fn hear(&mut self) -> bool {
        loop {
            let room = self.said.get_mut(self.length..).unwrap_or_default();
            // No room left reads as an end, too.
            match self.stream.read(room) {
                Ok(0) => return false,
                Ok(count) => self.length = self.length.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock && !self.is_request_complete(),
            }
        }
    }

    fn is_request_complete(&self) -> bool {
        self.said().windows(BLANK_LINE.len()).any(|window| window == BLANK_LINE)
    }

    fn said(&self) -> &[u8] {
        self.said.get(..self.length).unwrap_or_default()
    }

    /// Has what was said judged; a client that kept silent was none.
    fn hand_on(&self, each: &mut impl FnMut(Datagram<'_>)) {
        let Ok(local) = self.stream.local_addr() else { return };
        if self.length == 0 {
            return;
        }
        each(Datagram {
            source: self.peer.ip(),
            destination: local.ip(),
            transport: Transport::Tcp,
            source_port: self.peer.port(),
            destination_port: local.port(),
            payload: self.said(),
        });
    }
}

/// One listening socket of one family alone.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}
