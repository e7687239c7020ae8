//! A host of its own beside the test's router: a thread in a namespace that does what it is told.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::{beside, run};

type Job = Box<dyn FnOnce() + Send>;

/// Ends with the test that holds it.
pub struct Host {
    jobs: mpsc::Sender<Job>,
    thread: i32,
}

impl Host {
    pub fn new() -> Self {
        let (jobs, wait) = mpsc::channel::<Job>();
        let (tell, thread) = mpsc::channel();
        let _ = beside(move || {
            tell.send(rustix::thread::gettid()).unwrap();
            wait.into_iter().for_each(|job| job());
        });
        Self { jobs, thread: thread.recv().expect("a network namespace").as_raw_nonzero().get() }
    }

    /// A host that is joined to this thread's namespace by a cable from our device `ours` to its device `theirs`.
    pub fn cabled(ours: &str, theirs: &str) -> Self {
        let host = Self::new();
        run("ip", &format!("link add {ours} type veth peer name {theirs} netns {}", host.thread));
        run("ip", &format!("link set {ours} up"));
        host.ip(&format!("link set {theirs} up"));
        host
    }

    /// Does something there. Sockets made there belong to that host, wherever they are used.
    pub fn does<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.jobs.send(Box::new(move || tell.send(job()).unwrap())).unwrap();
        told.recv().expect("the host did it")
    }

    /// Runs `ip` there.
    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.does(move || run("ip", &arguments));
    }

    /// Listens there.
    pub fn listen(&self, address: &str) -> TcpListener {
        let address = address.to_owned();
        self.does(move || {
            let listener = TcpListener::bind(address).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        })
    }

    /// Connects from an address of that host, within a second.
    pub fn connect(&self, from: &str, to: &str) -> Result<TcpStream, rustix::io::Errno> {
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        let to: SocketAddr = to.parse().unwrap();
        self.does(move || {
            let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket: OwnedFd = socket(family, SocketType::STREAM, None)?;
            set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_secs(1)))?;
            bind(&socket, &from)?;
            connect(&socket, &to)?;
            Ok(TcpStream::from(socket))
        })
    }
}
