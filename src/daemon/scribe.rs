//! Who brings the state file to the flash: a thread of its own, because that can take longer than a flood leaves the
//! captures time.

use std::path::PathBuf;
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::state::State;

/// Stack of the thread, in bytes: it writes one small file.
const STACK: usize = 64 * 1024;

/// Writes the state file, and warns once while that does not work.
#[derive(Debug)]
pub(super) struct Scribe {
    path: PathBuf,
    failed: bool,
}

impl Scribe {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, failed: false }
    }

    /// Whether the last attempt failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(super) fn write(&mut self, state: &State) {
        match state.write(&self.path) {
            Ok(()) if self.failed => {
                self.failed = false;
                log::info!("{}: written again", self.path.display());
            }
            Err(error) if !self.failed => {
                self.failed = true;
                log::warn!(
                    "{}: {error}; grants go on, but after a reboot a knock made shortly before it could be played \
                     again for max_age seconds",
                    self.path.display()
                );
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What lies before the thread.
#[derive(Debug, Default)]
struct Desk {
    next: Option<State>,
    failed: bool,
    last: bool,
}

type Shared = Arc<(Mutex<Desk>, Condvar)>;

/// The thread's other end; dropped, it waits until the last state is written.
#[derive(Debug)]
pub(super) struct Office {
    shared: Shared,
    thread: Option<JoinHandle<()>>,
}

impl Office {
    /// Gives the scribe a thread; it has the rights that the calling one has by then.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(mut scribe: Scribe) -> std::io::Result<Self> {
        let shared = Shared::default();
        let (desk, here) = (Arc::clone(&shared), Arc::new(Barrier::new(2)));
        let there = Arc::clone(&here);
        let work = move || {
            there.wait();
            while let Some(state) = take(&desk) {
                scribe.write(&state);
                lock(&desk.0).failed = scribe.has_failed();
            }
        };
        let thread = thread::Builder::new().name("state".to_owned()).stack_size(STACK).spawn(work)?;
        // What a thread needs for its start, the daemon's system call filter would refuse.
        here.wait();
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands a state over; it takes the place of one that still lies there.
    pub(super) fn write(&self, state: State) {
        lock(&self.shared.0).next = Some(state);
        self.shared.1.notify_one();
    }

    /// Whether the last attempt failed, as far as it has come.
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.shared.0).failed
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        lock(&self.shared.0).last = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for the next state; `None` when there will be none.
fn take((desk, changed): &(Mutex<Desk>, Condvar)) -> Option<State> {
    let idle = |desk: &mut Desk| desk.next.is_none() && !desk.last;
    changed.wait_while(lock(desk), idle).unwrap_or_else(PoisonError::into_inner).next.take()
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::files::make_private_directory;
    use crate::sorted::SortedMap;
    use std::fs;

    #[test]
    fn the_newest_state_is_on_the_disk_when_the_office_closes() {
        let directory = std::env::temp_dir().join(format!("spa-scribe-{}", std::process::id()));
        make_private_directory(&directory).unwrap();
        let path = directory.join("state.json");
        let office = Office::open(Scribe::new(path.clone())).unwrap();
        for floor in 1..=1000 {
            office.write(State::new(floor, SortedMap::default(), String::new(), 0));
        }
        drop(office);
        assert_eq!(State::read(&path).unwrap().map(|state| state.clock_floor), Some(1000));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_disk_that_cannot_be_written_harms_nobody_and_is_tried_again() {
        let directory = std::env::temp_dir().join(format!("spa-scribe-gone-{}", std::process::id()));
        let path = directory.join("state.json");
        let mut scribe = Scribe::new(path.clone());
        let state = State::new(7, SortedMap::default(), String::new(), 0);
        scribe.write(&state);
        assert!(scribe.failed && !path.exists());
        make_private_directory(&directory).unwrap();
        scribe.write(&state);
        assert!(!scribe.failed && path.exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
