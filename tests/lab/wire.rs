//! What travels through the lab: datagrams, connections, and servers to connect to.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{Lab, Place};

/// What a client sees of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The connection was made.
    Open,
    /// The connection was refused, as by any closed port.
    Refused,
    /// No answer came.
    Filtered,
}

/// How long a client waits for an answer: the wire of the lab takes microseconds, but a lost
/// question is asked again after a second.
const PATIENCE: Duration = Duration::from_secs(2);

impl Lab {
    /// Sends one datagram with this payload.
    pub(crate) fn send_udp(&self, place: Place, from: IpAddr, to: SocketAddr, payload: &[u8]) {
        self.within(place, || {
            let socket = UdpSocket::bind((from, 0)).expect("bind the sender");
            let sent = socket.send_to(payload, to).expect("send the datagram");
            assert_eq!(sent, payload.len(), "the datagram was cut");
        });
    }

    /// Sends one datagram and waits for an answer.
    pub(crate) fn ask_udp(&self, place: Place, from: IpAddr, to: SocketAddr) -> Door {
        self.within(place, || {
            let socket = UdpSocket::bind((from, 0)).expect("bind the asker");
            socket.connect(to).expect("aim the asker");
            socket.set_read_timeout(Some(PATIENCE)).expect("limit the wait");
            socket.send(b"hello").expect("ask");
            match socket.recv(&mut [0; 16]) {
                Ok(_) => Door::Open,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Door::Refused,
                Err(_) => Door::Filtered,
            }
        })
    }

    /// Connects from this address.
    pub(crate) fn connect(&self, place: Place, from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
        self.connect_at(place, SocketAddr::new(from, 0), to)
    }

    /// Connects from this address and port.
    pub(crate) fn connect_at(&self, place: Place, from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
        self.within(place, || connect_from(from, to))
    }

    /// Tries to connect and says what came of it.
    pub(crate) fn try_connect(&self, place: Place, from: IpAddr, to: SocketAddr) -> Door {
        match self.connect(place, from, to) {
            Ok(_) => Door::Open,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Door::Refused,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Door::Filtered,
            Err(error) => panic!("connect from {from} to {to}: {error}"),
        }
    }

    /// Sends back what arrives on this TCP port, on all addresses of the place.
    pub(crate) fn tcp_echo(&self, place: Place, port: u16) -> Server {
        let listener = self.within(place, || TcpListener::bind(("::", port)).expect("listen"));
        let socket = Arc::new(listener);
        let thread = thread::spawn({
            let socket = Arc::clone(&socket);
            move || {
                while let Ok((stream, _)) = socket.accept() {
                    thread::spawn(move || echo(stream));
                }
            }
        });
        Server { stop: Stop::Tcp(socket), thread: Some(thread) }
    }

    /// Sends back what arrives on this UDP port, on the first address that the kernel picks.
    pub(crate) fn udp_echo(&self, place: Place, port: u16) -> Server {
        let socket = self.within(place, || UdpSocket::bind(("0.0.0.0", port)).expect("bind"));
        let socket = Arc::new(socket);
        let thread = thread::spawn({
            let socket = Arc::clone(&socket);
            move || {
                let mut bytes = [0; 2048];
                // A shut down socket reads as an empty datagram from nobody.
                while let Ok((length @ 1.., from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(&bytes[..length], from);
                }
            }
        });
        Server { stop: Stop::Udp(socket), thread: Some(thread) }
    }
}

/// Says something through the connection and hears whether it comes back.
pub(crate) fn echoes(stream: &mut TcpStream, words: &str) -> bool {
    let mut heard = vec![0; words.len()];
    stream.set_read_timeout(Some(PATIENCE)).expect("limit the wait");
    stream.write_all(words.as_bytes()).is_ok() && stream.read_exact(&mut heard).is_ok() && heard == words.as_bytes()
}

/// A server of the lab; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Stop {
    Tcp(Arc<TcpListener>),
    Udp(Arc<UdpSocket>),
}

impl Drop for Server {
    fn drop(&mut self) {
        // Shutting a socket down wakes the thread that waits on it; a UDP socket is woken
        // although the call says that it was not connected.
        let _ = match &self.stop {
            Stop::Tcp(socket) => rustix::net::shutdown(socket, rustix::net::Shutdown::Both),
            Stop::Udp(socket) => rustix::net::shutdown(socket, rustix::net::Shutdown::Both),
        };
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 2048];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// What `TcpStream::connect_timeout` does, from an address of one's own choice.
fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &from)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            let wait = Timespec::try_from(PATIENCE).expect("a short time");
            let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
            if rustix::event::poll(&mut polled, Some(&wait))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            rustix::net::sockopt::socket_error(socket.as_fd())??;
        }
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
