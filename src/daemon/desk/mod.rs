//! The page's desk: a thread that takes one-time passwords, and asks the one poll to open what they are good for.
//!
//! ```text
//! web.sock → guest → clerk → house ──errand─► the one poll: policy, firewall, log
//!            line    judges  waits ◄──reply──
//! ```
//!
//! What may take long, the store's lock and its way to the disk, holds up this thread alone; the one poll never waits
//! for it.

mod attend;
mod clerk;
mod errand;
mod front;
mod guest;
mod house;
mod queue;
mod snapshot;
mod socket;
mod tickets;
mod tokens;
mod visit;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use nix::poll::{PollFd, PollFlags};

pub(super) use front::{ENDED, Front};
pub use socket::PageSocket;

use super::clock::since_boot;
use super::privileges::renounce;
use super::wait::{Part, Wait};
use crate::config::{Config, Otp, Page};
use crate::otp::desk::Desk;
use crate::otp::store::Store;
use clerk::Clerk;
use front::Ends;
use guest::Guest;
use house::{Bell, House};
use queue::{Ended, Receiver, queue};
use snapshot::Snapshot;
use tokens::Tokens;

/// Stack of the thread, in bytes: room for JSON and for one file.
const STACK: usize = 256 * 1024;

/// Errands that may lie before the one poll; each guest has one at the most.
const ERRANDS_MAX: usize = 64;

/// Guests who are let in or turned away in one turn.
const TURN: usize = 16;

/// What of the configuration the desk knows: no key of anybody's.
#[derive(Debug)]
struct Rules {
    page: Option<Page>,
    otp: Vec<Otp>,
}

impl From<&Config> for Rules {
    fn from(config: &Config) -> Self {
        Self { page: config.page.clone(), otp: config.otp.clone() }
    }
}

/// What the one poll tells the desk unasked.
#[derive(Debug)]
enum Order {
    /// The configuration was read again.
    Configure(Arc<Rules>),
    /// What was tried at this user's is forgotten.
    Forgive(String),
}

/// Starts the thread; it has the rights that the calling one has by then.
///
/// # Errors
/// One line.
pub(super) fn start(config: &Config, state: &Path, socket: PageSocket) -> Result<Front, String> {
    let explain = |error: &dyn std::fmt::Display| format!("the one-time-password page: {error}; there is none");
    let tokens = Tokens::new().map_err(|error| explain(&error))?;
    let (errand_in, errand_out) = queue(ERRANDS_MAX);
    let (reply_in, reply_out) = queue(ERRANDS_MAX);
    let (order_in, order_out) = queue(ERRANDS_MAX);
    let (bell_here, bell_there) = Bell::pair().map_err(|error| explain(&error))?;
    let snapshot = Arc::new(Mutex::new(Snapshot::default()));
    let house = House::new(errand_in, reply_out, bell_there);
    let clerk = Clerk::new(Arc::new(Rules::from(config)), Desk::new(Store::new(state)), tokens, house);
    let ending = Arc::new(AtomicBool::new(false));
    let mut counter = Counter {
        socket,
        clerk,
        orders: order_out,
        guests: VecDeque::new(),
        snapshot: Arc::clone(&snapshot),
        ending: Arc::clone(&ending),
    };
    let here = Arc::new(Barrier::new(2));
    let there = Arc::clone(&here);
    let work = move || {
        // Strangers' words are read here: what the firewall needs is not at hand.
        let confined = renounce();
        there.wait();
        if let Err(error) = confined {
            log::warn!("the one-time-password page: cannot give up rights: {error}");
            return;
        }
        if let Err(line) = counter.serve() {
            log::warn!("the one-time-password page: {line}");
        }
    };
    let thread = thread::Builder::new().name("page".to_owned()).stack_size(STACK).spawn(work);
    let thread = thread.map_err(|error| explain(&error))?;
    // What a thread needs for its start, the daemon's system call filter would refuse.
    here.wait();
    let ends = Ends { errands: errand_out, replies: reply_in, orders: order_in, snapshot, ending };
    Ok(Front::new(thread, ends, bell_here))
}

/// All that the thread has.
struct Counter {
    socket: PageSocket,
    clerk: Clerk<House>,
    orders: Receiver<Order>,
    guests: VecDeque<Guest>,
    snapshot: Arc<Mutex<Snapshot>>,
    ending: Arc<AtomicBool>,
}

impl Counter {
    /// Serves until the daemon ends.
    fn serve(&mut self) -> Result<(), String> {
        loop {
            self.wait()?;
            self.clerk.house().hush();
            loop {
                match self.orders.take() {
                    Ok(Some(Order::Configure(rules))) => self.clerk.configure(rules),
                    Ok(Some(Order::Forgive(user))) => self.clerk.forgive(&user),
                    Ok(None) => break,
                    Err(Ended) => return Ok(()),
                }
            }
            self.let_in();
            let Self { clerk, guests, ending, .. } = self;
            guests.retain_mut(|guest| {
                let mut turn = |guest: &mut Guest| guest.turn(&since_boot, &mut |ask, now| clerk.answer(&ask, now));
                !ending.load(Ordering::Relaxed) && turn(guest).is_ok()
            });
            snapshot::publish(&self.snapshot, self.clerk.snapshot(since_boot()));
        }
    }

    /// Sleeps until somebody wants something or something is due.
    fn wait(&self) -> Result<(), String> {
        let mut wait = Wait::default();
        wait.readable(Part::Desk, [self.clerk.house().fd()]);
        let deaf = self.socket.deaf_until();
        if deaf.is_none() {
            wait.any(Part::Control, [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)]);
        }
        wait.until(deaf);
        for guest in &self.guests {
            wait.any(Part::Control, guest.poll_fd());
            wait.until(Some(guest.due()));
        }
        wait.sleep().map(drop)
    }

    fn let_in(&mut self) {
        for _ in 0..TURN {
            let now = since_boot();
            match self.socket.accept(now) {
                Ok(stream) if self.guests.len() >= crate::limits::PAGE_VISITORS_MAX => guest::send_away(stream),
                Ok(stream) => self.guests.push_back(Guest::new(stream, now)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(_) => return,
            }
        }
    }
}
