//! Sessions of clients with services of the lab, both ends in hand.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::{FRIEND, FRIEND6, LAN_HOST, Lab, Place, ROUTER, ROUTER6};

/// How long an end listens for what should not come; the wire takes microseconds.
pub(crate) const SOON: Duration = Duration::from_millis(120);
/// How long it listens for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// One end of a session.
pub(crate) enum End {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl End {
    pub(crate) fn say(&mut self, word: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.write_all(word).map(|()| word.len()),
            // The first try may only tell of an earlier refusal.
            Self::Udp(socket) => socket.send(word).or_else(|_| socket.send(word)),
        };
    }

    pub(crate) fn hears(&mut self, word: &[u8], patience: Duration) -> bool {
        let mut heard: Vec<u8> = Vec::new();
        let mut bytes = [0; 64];
        loop {
            let read = match self {
                Self::Tcp(stream) => stream.set_read_timeout(Some(patience)).and_then(|()| stream.read(&mut bytes)),
                Self::Udp(socket) => socket.set_read_timeout(Some(patience)).and_then(|()| socket.recv(&mut bytes)),
            };
            let length = match read {
                Ok(length @ 1..) => length,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                _ => return false,
            };
            heard.extend(&bytes[..length]);
            if heard.windows(word.len()).any(|part| part == word) {
                return true;
            }
        }
    }
}

/// Where a service of the lab is, and how its clients come to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) place: Place,
    pub(crate) protocol: &'static str,
    pub(crate) v6: bool,
    pub(crate) port: u16,
}

impl Service {
    /// Every combination, each at a port of its own.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for place in [Place::Router, Place::Lan] {
            for protocol in ["tcp", "udp"] {
                for v6 in [false, true] {
                    all.push(Self { place, protocol, v6, port: 1000 + u16::try_from(all.len()).unwrap() });
                }
            }
        }
        all
    }

    pub(crate) fn friend(self) -> IpAddr {
        if self.v6 { FRIEND6 } else { FRIEND }
    }

    /// The address that the service has itself.
    pub(crate) fn inside(self) -> SocketAddr {
        let address = match (self.place, self.v6) {
            (Place::Lan, false) => LAN_HOST,
            (Place::Lan, true) => "2001:db8:2::10".parse().unwrap(),
            (_, false) => ROUTER,
            (_, true) => ROUTER6,
        };
        SocketAddr::new(address, self.port)
    }

    /// What clients connect to: over IPv4, a host behind the router is reached by a port of the router.
    pub(crate) fn outside(self) -> SocketAddr {
        match self.place {
            Place::Lan if !self.v6 => SocketAddr::new(ROUTER, 20_000 + self.port),
            _ => self.inside(),
        }
    }

    /// The elements that let a client in.
    pub(crate) fn doors(self, table: &str, client: IpAddr, stanza: &str, seconds: u32) -> String {
        let Self { protocol, port, .. } = self;
        let (family, to) = (if self.v6 { 6 } else { 4 }, self.inside().ip());
        let life = format!("timeout {seconds}s comment \"{stanza}\"");
        let add = |set: &str, element: String| format!("add element inet {table} {set} {{ {element} }}\n");
        if self.place == Place::Router {
            return add(&format!("spa_in{family}_v1"), format!("{client} . {protocol} . {port} {life}"));
        }
        let way = add(&format!("spa_to{family}_v1"), format!("{client} . {to} . {protocol} . {port} {life}"));
        let outside = self.outside().port();
        let translation = format!("{client} . {protocol} . {outside} {life} : {to} . {port}");
        if self.v6 { way } else { way + &add("spa_dnat4_v1", translation) }
    }
}

/// A session of a client with a service, both ends in hand.
pub(crate) struct Session {
    pub(crate) what: String,
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Session {
    pub(crate) fn open(lab: &Lab, service: Service, from: IpAddr) -> Self {
        let Service { place, protocol, .. } = service;
        let (client, server) = if protocol == "tcp" {
            let listener = lab.within(place, || TcpListener::bind(service.inside()).unwrap());
            let client = lab.connect(Place::Wan, from, service.outside()).expect("the door is open");
            (End::Tcp(client), End::Tcp(listener.accept().unwrap().0))
        } else {
            let server = lab.within(place, || UdpSocket::bind(service.inside()).unwrap());
            let client = lab.within(Place::Wan, || UdpSocket::bind((from, 0)).unwrap());
            client.connect(service.outside()).unwrap();
            client.send(b"hello").unwrap();
            server.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let (_, peer) = server.recv_from(&mut [0; 16]).expect("the door is open");
            server.connect(peer).unwrap();
            (End::Udp(client), End::Udp(server))
        };
        let mut session = Self { what: format!("{service:?}"), client, server };
        assert!(session.lives(), "{}: it never began", session.what);
        session
    }

    /// Whether what the inside end says arrives.
    pub(crate) fn goes_out(&mut self, patience: Duration) -> bool {
        self.server.say(b"from inside");
        self.client.hears(b"from inside", patience)
    }

    /// Whether what the client says arrives.
    pub(crate) fn comes_in(&mut self, patience: Duration) -> bool {
        self.client.say(b"from outside");
        self.server.hears(b"from outside", patience)
    }

    pub(crate) fn lives(&mut self) -> bool {
        self.goes_out(PATIENCE) && self.comes_in(PATIENCE)
    }

    /// Whether nothing goes any way, whoever begins.
    pub(crate) fn is_dead(&mut self) -> bool {
        !self.goes_out(SOON) && !self.comes_in(SOON) && !self.goes_out(SOON)
    }
}
