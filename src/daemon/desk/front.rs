//! The one poll's end of the way to the desk: what it hands over, and what it is asked for.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::errand::{Done, Errand, Reply};
use super::house::Bell;
use super::queue::{Receiver, Sender};
use super::snapshot::{Snapshot, read};
use super::{Order, Rules};
use crate::config::Config;
use crate::control::reply::OneTime;

/// What people read of a desk that has ended.
pub(in crate::daemon) const ENDED: &str =
    "the thread of the one-time-password page has ended: nobody gets in by it until the service is restarted";

/// The one poll's ends of what it shares with the thread.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) errands: Receiver<Errand>,
    pub(super) replies: Sender<Reply>,
    pub(super) orders: Sender<Order>,
    pub(super) snapshot: Arc<Mutex<Snapshot>>,
    pub(super) ending: Arc<AtomicBool>,
}

/// The desk, as the one poll holds it. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::daemon) struct Front {
    thread: Option<JoinHandle<()>>,
    errands: Receiver<Errand>,
    replies: Option<Sender<Reply>>,
    orders: Option<Sender<Order>>,
    bell: Option<Bell>,
    /// Tells the thread that it is to end.
    ending: Arc<AtomicBool>,
    snapshot: Arc<Mutex<Snapshot>>,
    ended: bool,
    /// Whether there may be more errands than were taken.
    more: bool,
}

impl Front {
    pub(super) fn new(thread: JoinHandle<()>, ends: Ends, bell: Bell) -> Self {
        let Ends { errands, replies, orders, snapshot, ending } = ends;
        Self {
            thread: Some(thread),
            errands,
            replies: Some(replies),
            orders: Some(orders),
            bell: Some(bell),
            ending,
            snapshot,
            ended: false,
            more: false,
        }
    }

    /// What to wait for; nothing any more where the thread has ended.
    pub(in crate::daemon) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.bell.as_ref().filter(|_| !self.ended).map(Bell::fd)
    }

    /// Takes note of all rings; whether the thread has ended just now.
    pub(in crate::daemon) fn hush(&mut self) -> bool {
        let lives = self.bell.as_ref().is_some_and(Bell::hush);
        let ends = !lives && !self.ended;
        self.ended |= ends;
        ends
    }

    /// Whether the thread has ended.
    pub(in crate::daemon) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next errand, if there is one.
    pub(super) fn take(&mut self) -> Option<Errand> {
        let errand = self.errands.take().ok().flatten();
        self.more = errand.is_some();
        errand
    }

    /// When there may be something to do although nobody rings: at once, where the last look found an errand.
    pub(in crate::daemon) fn due(&self) -> Option<Duration> {
        self.more.then_some(Duration::ZERO)
    }

    /// Answers an errand. Never waits: where there is no room, nobody takes answers any more.
    pub(super) fn reply(&self, number: u32, done: Done) {
        if let Some(replies) = &self.replies {
            replies.send(Reply { number, done });
        }
    }

    /// Hands a configuration over.
    pub(in crate::daemon) fn configure(&self, config: &Config) -> bool {
        self.order(Order::Configure(Arc::new(Rules::from(config))))
    }

    /// Has forgotten what was tried at this user's.
    pub(in crate::daemon) fn forgive(&self, user: &str) -> bool {
        self.order(Order::Forgive(user.to_owned()))
    }

    /// Whether the order could be given; never waits.
    fn order(&self, order: Order) -> bool {
        let given = !self.ended && self.orders.as_ref().is_some_and(|orders| orders.send(order));
        if let Some(bell) = &self.bell {
            bell.ring();
        }
        given
    }

    /// Who is locked out, and what came of the visits.
    pub(in crate::daemon) fn one_time(&self, now: Duration) -> OneTime {
        read(&self.snapshot, now, !self.ended)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // The guest whom it serves at this moment is not cut off in the middle of a file, nor does it wait for us.
        self.ending.store(true, Ordering::Relaxed);
        (self.orders, self.replies) = (None, None);
        if let Some(bell) = self.bell.take() {
            bell.ring();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::errand::Want;
    use super::super::queue::queue;
    use super::*;

    /// A front whose thread does this with its end of the bell.
    fn front(work: impl FnOnce(Bell, Sender<Errand>) + Send + 'static) -> Front {
        let (here, there) = Bell::pair().unwrap();
        let (errand_in, errands) = queue(4);
        let (replies, _) = queue(1);
        let (orders, _) = queue(1);
        let thread = std::thread::spawn(move || work(there, errand_in));
        let (snapshot, ending) = (Arc::default(), Arc::default());
        Front::new(thread, Ends { errands, replies, orders, snapshot, ending }, here)
    }

    fn wait(front: &Front) {
        let mut fds = [nix::poll::PollFd::new(front.fd().unwrap(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, 5_000_u16).unwrap();
    }

    #[test]
    fn a_thread_that_dies_is_noticed_once() {
        let mut front = front(|_bell, _errands| panic!("a test of what follows"));
        wait(&front);
        assert!(front.hush() && !front.hush());
        assert!(front.has_ended() && front.fd().is_none());
        assert!(!front.forgive("alice") && !front.one_time(Duration::ZERO).running);
        front.reply(1, Done::Refused);
    }

    #[test]
    fn what_is_left_over_is_looked_for_without_a_ring() {
        let mut front = front(|bell, errands| {
            for number in 0..2 {
                assert!(errands.send(Errand { number, until: Duration::MAX, want: Want::Look(empty()) }));
            }
            bell.ring();
            // Until the other end is gone.
            while bell.hush() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        wait(&front);
        assert!(!front.hush());
        for number in 0..2 {
            assert_eq!(front.take().map(|errand| errand.number), Some(number));
            assert_eq!(front.due(), Some(Duration::ZERO));
        }
        assert!(front.take().is_none());
        assert_eq!(front.due(), None);
    }

    fn empty() -> crate::access::Grant {
        let (openings, forwards) = (Vec::new(), Vec::new());
        crate::access::Grant { access: "alice".into(), openings, forwards, command: None, timeout: 0 }
    }
}
