//! A short queue from one thread to another; each end sees that the other one is gone.
//!
//! std's channels hold three designs, of which each is made anew for each kind of message: 14 KB of a router's flash
//! for three of them (docs/size.md).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::daemon::clock::since_boot;

/// The other end is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended;

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    most: usize,
    ended: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    /// Nothing is half done in there at any moment, so a thread that died with the lock has spoilt nothing.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.state().ended = true;
        self.changed.notify_one();
    }
}

/// Where messages go in.
#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// Where they come out.
#[derive(Debug)]
pub(super) struct Receiver<T>(Arc<Shared<T>>);

/// A queue of at most so many messages.
pub(super) fn queue<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { waiting: VecDeque::with_capacity(most), most, ended: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts a message in, without waiting; whether there was room, and somebody to take it.
    pub(super) fn send(&self, message: T) -> bool {
        let mut state = self.0.state();
        let fits = !state.ended && state.waiting.len() < state.most;
        if fits {
            state.waiting.push_back(message);
            self.0.changed.notify_one();
        }
        fits
    }
}

impl<T> Receiver<T> {
    /// The next message, if there is one already.
    ///
    /// # Errors
    /// [`Ended`], where none will come any more.
    pub(super) fn take(&self) -> Result<Option<T>, Ended> {
        let mut state = self.0.state();
        match state.waiting.pop_front() {
            None if state.ended => Err(Ended),
            message => Ok(message),
        }
    }

    /// The next message, once it is there; `None` where none comes before this time since boot, or ever.
    pub(super) fn wait(&self, until: Duration) -> Option<T> {
        let mut state = self.0.state();
        loop {
            if let Some(message) = state.waiting.pop_front() {
                return Some(message);
            }
            let left = until.saturating_sub(since_boot());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn soon() -> Duration {
        since_boot() + Duration::from_secs(5)
    }

    #[test]
    fn messages_come_in_their_order_and_no_more_than_there_is_room_for() {
        let (sender, receiver) = queue(2);
        assert_eq!([1, 2, 3].map(|message| sender.send(message)), [true, true, false]);
        assert_eq!((receiver.take(), receiver.wait(soon()), receiver.take()), (Ok(Some(1)), Some(2), Ok(None)));
        assert!(sender.send(4));
        drop(sender);
        assert_eq!((receiver.take(), receiver.take()), (Ok(Some(4)), Err(Ended)), "what was sent is not lost");
    }

    #[test]
    fn who_waits_is_woken_by_a_message_and_by_the_end() {
        let (sender, receiver) = queue(1);
        let start = since_boot();
        let waits = thread::spawn(move || (receiver.wait(soon()), receiver.wait(soon()), since_boot()));
        thread::sleep(Duration::from_millis(20));
        assert!(sender.send(7));
        drop(sender);
        let (first, second, when) = waits.join().unwrap();
        assert_eq!((first, second), (Some(7), None));
        assert!(when < start + Duration::from_secs(2), "woken, and not by the end of its patience");
    }

    #[test]
    fn nobody_waits_for_longer_than_he_said() {
        let (sender, receiver) = queue::<u8>(1);
        let until = since_boot() + Duration::from_millis(30);
        assert_eq!(receiver.wait(until), None);
        assert!((until..until + Duration::from_secs(2)).contains(&since_boot()));
        drop(receiver);
        assert!(!sender.send(1), "nobody takes it");
    }
}
