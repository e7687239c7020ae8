//! Who may be judged now: growing pauses for sources and users, of which none shuts the owner out. No clock.
//!
//! Two things are kept apart. A *short* answer, one code of an app, can be guessed: 3 of 10⁶ are right at any moment.
//! A *long* one, two consecutive codes, hardly can. Wrong short answers pause short answers of that source, and of that
//! user from everywhere; long ones are only slowed down, source by source. So whoever guesses from a thousand addresses
//! soon guesses no more, and the owner types two codes and is in. A password of a chain, 64 bits, is looked at always:
//! nobody guesses it, and a neighbour behind the same address must not keep its owner out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::limits::{OTP_SOURCES_MAX, SECTIONS_MAX};
use crate::sorted::SortedMap;

/// Wrong answers without a pause.
const FREE: u32 = 3;

/// The pause after the next one; each further one doubles it.
const FIRST: Duration = Duration::from_secs(2);

/// The longest pause of a source, and the time in which one of its wrong answers is forgiven.
const SOURCE_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The longest pause of a user's short answers, and the time in which one wrong answer is forgiven.
const USER_PAUSE: Duration = Duration::from_secs(4 * 60 * 60);

/// The longest pause of a source's long answers.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// What may be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whatever comes.
    Any,
    /// Two consecutive codes, and passwords of chains.
    Long,
    /// Passwords of chains alone for so long.
    Wait(Duration),
}

/// Wrong answers and when they end to matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heat {
    /// Wrong answers that are not yet forgiven.
    wrong: u32,
    /// When the last one came, or was forgiven.
    since: Duration,
    /// When the last one came.
    last: Duration,
}

impl Heat {
    /// The heat as it is now, where one answer is forgiven in so long.
    fn now(self, now: Duration, forgiven_in: Duration) -> Self {
        let times = now.saturating_sub(self.since).as_secs().checked_div(forgiven_in.as_secs()).unwrap_or(0);
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        Self {
            wrong: self.wrong.saturating_sub(times),
            since: self.since.saturating_add(forgiven_in.saturating_mul(times)),
            ..self
        }
    }

    /// One more wrong answer.
    fn rise(&mut self, now: Duration, forgiven_in: Duration) {
        let cool = self.now(now, forgiven_in);
        *self = Self { wrong: cool.wrong.saturating_add(1), since: now, last: now };
    }

    /// What is left of the pause, which never is longer than `longest`.
    fn pause(&self, now: Duration, longest: Duration) -> Duration {
        let Some(doublings) = self.wrong.checked_sub(FREE.saturating_add(1)) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = FIRST.saturating_mul(factor).min(longest);
        self.last.saturating_add(pause).saturating_sub(now)
    }
}

/// The memory of wrong answers; it is bounded, and ends with the process.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    users: SortedMap<String, Heat>,
    sources: SortedMap<IpAddr, Heat>,
}

impl Throttle {
    /// What may be judged of this user and source. `now` is a clock that never goes back.
    #[must_use]
    pub fn admits(&self, user: &str, source: IpAddr, now: Duration) -> Admission {
        let source = self.source(source, now);
        let user = self.users.get(user).copied().unwrap_or_default().now(now, USER_PAUSE);
        let slowed = source.pause(now, LONG_PAUSE);
        if !slowed.is_zero() {
            return Admission::Wait(slowed);
        }
        let paused = source.pause(now, SOURCE_PAUSE).max(user.pause(now, USER_PAUSE));
        if paused.is_zero() { Admission::Any } else { Admission::Long }
    }

    /// Takes note of an answer that was judged and wrong; `guess` says that it was a short one to a record that
    /// takes them.
    pub fn wrong(&mut self, user: &str, source: IpAddr, guess: bool, now: Duration) {
        let source = network(source);
        one_more(&mut self.sources, source, OTP_SOURCES_MAX, SOURCE_PAUSE, now);
        if guess {
            one_more(&mut self.users, user.to_owned(), SECTIONS_MAX, USER_PAUSE, now);
        }
    }

    /// Takes note of an answer that was right: what this source did is forgiven it, as far as it is this user's. What
    /// others did is not, lest every visit of the owner give them new tries.
    pub fn right(&mut self, user: &str, source: IpAddr, now: Duration) {
        let own = self.source(source, now).wrong;
        self.sources.remove(&network(source));
        if let Some(heat) = self.users.remove(user) {
            let mut heat = heat.now(now, USER_PAUSE);
            heat.wrong = heat.wrong.saturating_sub(own);
            if heat.wrong > 0 {
                self.users.insert(user.to_owned(), heat);
            }
        }
    }

    /// Forgets what was tried at this user's, for an owner who asks for it.
    pub fn forget(&mut self, user: &str) {
        self.users.remove(user);
    }

    /// How long a single code of this user's is not looked at.
    #[must_use]
    pub fn locked(&self, user: &str, now: Duration) -> Option<Duration> {
        let pause = self.users.get(user)?.now(now, USER_PAUSE).pause(now, USER_PAUSE);
        (!pause.is_zero()).then_some(pause)
    }

    /// The users whose single codes are not looked at, and until when.
    #[must_use]
    pub fn paused(&self, now: Duration) -> Vec<(String, Duration)> {
        let locked = |user: &String| Some((user.clone(), now.saturating_add(self.locked(user, now)?)));
        self.users.keys().filter_map(locked).collect()
    }

    /// The sources, IPv6 networks of 64 bits by their first address, of which no code is looked at, and until when.
    #[must_use]
    pub fn waiting(&self, now: Duration) -> Vec<(IpAddr, Duration)> {
        let wait = |heat: &Heat| heat.now(now, SOURCE_PAUSE).pause(now, LONG_PAUSE);
        let waits = self.sources.iter().map(|(source, heat)| (*source, now.saturating_add(wait(heat))));
        waits.filter(|(_, until)| *until > now).collect()
    }

    fn source(&self, source: IpAddr, now: Duration) -> Heat {
        self.sources.get(&network(source)).copied().unwrap_or_default().now(now, SOURCE_PAUSE)
    }
}

/// Counts a wrong answer. Where there is no room for one more, those that have cooled down are forgotten, and else the
/// one that did least.
fn one_more<K: Ord + Clone>(heats: &mut SortedMap<K, Heat>, key: K, most: usize, forgiven_in: Duration, now: Duration) {
    let known = heats.get(&key).copied();
    if known.is_none() && heats.len() >= most {
        heats.retain(|_, heat| heat.now(now, forgiven_in).wrong > 0);
        if heats.len() >= most {
            let least = heats.iter().min_by_key(|(_, heat)| (heat.wrong, heat.last)).map(|(key, _)| key.clone());
            least.map(|key| heats.remove(&key));
        }
    }
    let mut heat = known.unwrap_or_default();
    heat.rise(now, forgiven_in);
    heats.insert(key, heat);
}

/// Who counts as one source: an IPv4 address, and an IPv6 network of 64 bits, which is one customer's at least.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & u128::MAX << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0xcb00_7100 + number))
    }

    /// Judges as many guesses as are admitted within so many seconds, one at each, each from another source.
    fn guesses(throttle: &mut Throttle, from: u64, seconds: u64, source: impl Fn(u64) -> IpAddr) -> u32 {
        let mut judged = 0;
        for second in from..from + seconds {
            let now = SECOND * u32::try_from(second).unwrap();
            if throttle.admits("alice", source(second), now) == Admission::Any {
                throttle.wrong("alice", source(second), true, now);
                judged += 1;
            }
        }
        judged
    }

    #[test]
    fn pauses_of_a_source_grow_and_have_an_end() {
        let mut throttle = Throttle::default();
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..16 {
            throttle.wrong("nobody", address(1), false, now);
            let pause = (0..).find(|second| throttle.admits("x", address(1), now + SECOND * *second) == Admission::Any);
            pauses.push(pause.unwrap());
            now += SECOND * pause.unwrap();
        }
        assert_eq!(pauses[..12], [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert!(pauses[12..].iter().all(|pause| *pause == 900), "{pauses:?}");
        assert_eq!(throttle.admits("x", address(2), now), Admission::Any);
    }

    #[test]
    fn long_answers_are_never_kept_out_for_longer_than_half_a_minute() {
        let mut throttle = Throttle::default();
        for _ in 0..1000 {
            throttle.wrong("alice", address(1), true, SECOND);
        }
        assert_eq!(throttle.admits("alice", address(1), SECOND * 2), Admission::Wait(SECOND * 29));
        assert_eq!(throttle.admits("alice", address(1), SECOND * 31), Admission::Long);
        assert_eq!(throttle.admits("alice", address(2), SECOND * 2), Admission::Long, "no wait for the owner");
        assert_eq!(throttle.admits("bob", address(2), SECOND * 2), Admission::Any);
        assert!(throttle.locked("alice", SECOND * 2).is_some() && throttle.locked("bob", SECOND * 2).is_none());
        throttle.forget("alice");
        assert_eq!(throttle.admits("alice", address(2), SECOND * 2), Admission::Any);
    }

    #[test]
    fn guesses_from_everywhere_come_to_the_odds_that_the_document_states() {
        let mut throttle = Throttle::default();
        let many = |second: u64| address(u32::try_from(second % 250).unwrap());
        let first_day = guesses(&mut throttle, 0, 86_400, many);
        assert!((17..=22).contains(&first_day), "{first_day}");
        let second_day = guesses(&mut throttle, 86_400, 86_400, many);
        assert!((5..=6).contains(&second_day), "{second_day}");
    }

    #[test]
    fn the_owners_visits_give_others_no_new_tries() {
        let mut throttle = Throttle::default();
        for number in 0..10 {
            throttle.wrong("alice", address(number), true, SECOND);
        }
        throttle.wrong("alice", address(99), true, SECOND);
        throttle.right("alice", address(99), SECOND * 2);
        assert_eq!(throttle.users.get("alice").unwrap().wrong, 10, "the owner's own slip alone is forgiven");
        assert_eq!(throttle.admits("alice", address(98), SECOND * 3), Admission::Long);
        let mut alone = Throttle::default();
        alone.wrong("alice", address(1), true, SECOND);
        alone.right("alice", address(1), SECOND);
        assert!(alone.users.is_empty() && alone.sources.is_empty());
    }

    #[test]
    fn sources_are_networks_and_their_number_is_bounded() {
        let mut throttle = Throttle::default();
        for text in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::2", "2001:db8:1:2::3"] {
            throttle.wrong("x", text.parse().unwrap(), false, SECOND);
        }
        assert!(matches!(throttle.admits("x", "2001:db8:1:2:3::4".parse().unwrap(), SECOND), Admission::Wait(_)));
        assert_eq!(throttle.admits("x", "2001:db8:1:3::1".parse().unwrap(), SECOND), Admission::Any);
        throttle.wrong("x", "::ffff:192.0.2.1".parse().unwrap(), false, SECOND);
        assert!(throttle.sources.contains_key(&"192.0.2.1".parse::<IpAddr>().unwrap()));
        for number in 0..5_000_u32 {
            throttle.wrong(&format!("u{number}"), address(number), true, SECOND * 2);
        }
        assert_eq!((throttle.sources.len(), throttle.users.len()), (OTP_SOURCES_MAX, SECTIONS_MAX));
        assert!(matches!(throttle.admits("x", "2001:db8:1:2::1".parse().unwrap(), SECOND * 2), Admission::Wait(_)));
        throttle.wrong("x", address(6_000), false, SECOND * 3_000);
        assert_eq!(throttle.sources.len(), 2, "what has cooled down is forgotten first");
    }

    #[test]
    fn who_waits_can_be_shown() {
        let mut throttle = Throttle::default();
        let (now, source) = (Duration::from_secs(1_000), "2001:db8::9".parse().unwrap());
        for _ in 0..4 {
            throttle.wrong("alice", source, true, now);
        }
        throttle.wrong("bob", "192.0.2.1".parse().unwrap(), true, now);
        let until = now + FIRST;
        assert_eq!(throttle.paused(now), [("alice".to_owned(), until)]);
        assert_eq!(throttle.waiting(now), [("2001:db8::".parse().unwrap(), until)]);
        assert_eq!((throttle.paused(until).len(), throttle.waiting(until).len()), (0, 0));
        throttle.forget("alice");
        assert_eq!((throttle.paused(now).len(), throttle.waiting(now).len()), (0, 1));
    }
}
