//! The wall clock (DESIGN D6): windows, floors, clocks that are not set, `state reset`.

use super::*;

#[test]
fn the_window_has_the_same_width_on_both_sides() {
    for (timestamp, expected) in [
        (NOW - 121, Err(Reason::TooOld)),
        (NOW - 120, Ok(())),
        (NOW + 120, Ok(())),
        (NOW + 121, Err(Reason::TooNew)),
        (0, Err(Reason::TooOld)),
        (999_999_999_999, Err(Reason::TooNew)),
    ] {
        assert_eq!(outcome(&mut engine(), &packet(timestamp, MESSAGE, &keys(1)), at(NOW)), expected, "{timestamp}");
    }
}

#[test]
fn the_clock_is_not_set_before_the_build_date() {
    let mut engine = engine();
    for unix in [0, 1000, BUILD_EPOCH - 1] {
        assert_eq!(outcome(&mut engine, &packet(unix, MESSAGE, &keys(1)), at(unix)), Err(Reason::ClockNotSet));
    }
    assert_eq!(engine.remembered(), 0);
    let unix = BUILD_EPOCH;
    assert_eq!(outcome(&mut engine, &packet(unix, MESSAGE, &keys(1)), at(unix)), Ok(()));
}

#[test]
fn a_clock_that_somebody_vouches_for_is_set() {
    let given = Clock { unix: 1000, given: true };
    assert_eq!(outcome(&mut engine(), &packet(1000, MESSAGE, &keys(1)), given), Ok(()));
}

#[test]
fn the_clock_is_not_set_when_it_is_far_below_the_last_honoured_knock() {
    let mut engine = engine();
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Ok(()));
    let (early, edge) = (NOW - 121, NOW - 120);
    assert_eq!(outcome(&mut engine, &packet(early, MESSAGE, &keys(1)), at(early)), Err(Reason::ClockNotSet));
    assert_eq!(outcome(&mut engine, &packet(edge, MESSAGE, &keys(1)), at(edge)), Ok(()));
    assert_eq!(engine.floors().0, NOW, "the floor does not sink");
}

#[test]
fn a_fast_phone_does_not_lock_the_router() {
    let mut engine = engine();
    assert_eq!(outcome(&mut engine, &packet(NOW + 120, MESSAGE, &keys(1)), at(NOW)), Ok(()));
    assert_eq!(engine.floors().0, NOW, "the floor is the router's own clock");
    assert_eq!(outcome(&mut engine, &packet(NOW + 1, MESSAGE, &keys(1)), at(NOW + 1)), Ok(()));
}

#[test]
fn a_clock_stepped_by_ntp_recovers_without_a_restart() {
    let mut engine = engine();
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(5)), Err(Reason::ClockNotSet));
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Ok(()));
}

#[test]
fn a_knock_that_was_forgotten_stays_refused_after_the_clock_was_set_back() {
    let mut engine = engine();
    let old = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &old, at(NOW)), Ok(()));
    assert_eq!(outcome(&mut engine, &packet(NOW + 121, MESSAGE, &keys(1)), at(NOW + 121)), Ok(()));
    assert_eq!(engine.remembered(), 1, "the old one was forgotten");
    assert_eq!(outcome(&mut engine, &old, at(NOW + 20)), Err(Reason::Replay));
    assert_eq!(outcome(&mut engine, &packet(NOW + 20, MESSAGE, &keys(1)), at(NOW + 20)), Ok(()));
}

#[test]
fn after_a_reboot_a_stanza_refuses_up_to_the_newest_it_honoured() {
    let config = config(vec![access("alice", keys(1)), access("bob", keys(2))]);
    let mut engine = Engine::new(&config, Memory::default());
    let honoured = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
    let mut engine = rebooted(&engine, &config);
    assert_eq!(outcome(&mut engine, &honoured, at(NOW + 10)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW - 1, MESSAGE, &keys(1)), at(NOW + 10)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW - 1, MESSAGE, &keys(2)), at(NOW + 10)), Ok(()), "bob has no floor");
    assert_eq!(outcome(&mut engine, &packet(NOW + 1, MESSAGE, &keys(1)), at(NOW + 10)), Ok(()));
}

#[test]
fn after_a_reboot_an_hours_old_clock_is_not_set() {
    let mut engine = engine();
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Ok(()));
    let mut engine = rebooted(&engine, &one_stanza());
    let stale = NOW - 7200;
    assert_eq!(outcome(&mut engine, &packet(stale, MESSAGE, &keys(1)), at(stale)), Err(Reason::ClockNotSet));
    assert_eq!(outcome(&mut engine, &packet(NOW + 5, MESSAGE, &keys(1)), at(NOW + 5)), Ok(()));
}

#[test]
fn without_a_window_timestamps_strictly_increase_and_no_clock_is_needed() {
    let mut config = config(vec![access("alice", keys(1)), access("bob", keys(2))]);
    config.main.max_age = 0;
    let mut engine = Engine::new(&config, Memory::default());
    let first = packet(5000, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &first, at(3)), Ok(()));
    assert_eq!(outcome(&mut engine, &first, at(4)), Err(Reason::Replay));
    assert_eq!(outcome(&mut engine, &packet(5000, MESSAGE, &keys(1)), at(4)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(4999, MESSAGE, &keys(1)), at(4)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(4999, MESSAGE, &keys(2)), at(4)), Ok(()), "each stanza counts alone");
    assert_eq!(outcome(&mut engine, &packet(5001, MESSAGE, &keys(1)), at(0)), Ok(()));
    let mut engine = rebooted(&engine, &config);
    assert_eq!(outcome(&mut engine, &packet(5001, MESSAGE, &keys(1)), at(9)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(5002, MESSAGE, &keys(1)), at(9)), Ok(()));
}

#[test]
fn a_stanza_ends_at_its_second_and_needs_a_clock_for_that() {
    let mut config = one_stanza();
    config.access[0].expires = Some(NOW);
    for (unix, expected) in [(NOW - 1, Ok(())), (NOW, Err(Reason::Expired)), (9, Err(Reason::ClockNotSet))] {
        let mut engine = Engine::new(&config, Memory::default());
        assert_eq!(outcome(&mut engine, &packet(unix, MESSAGE, &keys(1)), at(unix)), expected);
    }
    config.main.max_age = 0;
    let mut engine = Engine::new(&config, Memory::default());
    assert_eq!(outcome(&mut engine, &packet(9, MESSAGE, &keys(1)), at(9)), Err(Reason::ClockNotSet));
    assert_eq!(outcome(&mut engine, &packet(9, MESSAGE, &keys(7)), at(9)), Err(Reason::Hmac), "junk learns nothing");
}

#[test]
fn a_reset_brings_floors_down_to_the_clock_and_lets_no_recorded_knock_in() {
    for max_age in [120, 0] {
        let mut config = config(vec![access("alice", keys(1)), access("bob", keys(2))]);
        config.main.max_age = max_age;
        let mut engine = Engine::new(&config, Memory::default());
        let recorded = packet(NOW, MESSAGE, &keys(1));
        assert_eq!(outcome(&mut engine, &recorded, at(NOW)), Ok(()));
        let wrong = NOW + 9_000_000;
        assert_eq!(outcome(&mut engine, &packet(wrong, MESSAGE, &keys(2)), at(wrong)), Ok(()));
        let engine = rebooted(&engine, &config);
        let mut engine = Engine::new(&config, engine.memory().reset(at(NOW + 60)));
        assert_eq!(outcome(&mut engine, &recorded, at(NOW + 60)), Err(Reason::NotNewer));
        for id in [1, 2] {
            assert_eq!(outcome(&mut engine, &packet(NOW + 60, MESSAGE, &keys(id)), at(NOW + 60)), Ok(()));
        }
    }
}

#[test]
fn a_reset_of_a_lost_memory_lets_in_what_is_made_after_it() {
    let mut config = one_stanza();
    for max_age in [120, 0] {
        config.main.max_age = max_age;
        for settled in [false, true] {
            let mut memory = Memory { lost: true, ..Memory::default() };
            if settled {
                let mut engine = Engine::new(&config, memory);
                engine.settle(at(NOW));
                memory = engine.memory();
            }
            let mut engine = Engine::new(&config, memory.reset(at(NOW)));
            assert_ne!(outcome(&mut engine, &packet(NOW - 5, MESSAGE, &keys(1)), at(NOW)), Ok(()));
            assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Ok(()));
        }
    }
}

#[test]
fn a_reset_without_a_clock_forgets_the_floors_and_keeps_the_knocks() {
    let mut engine = engine();
    let honoured = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
    let memory = engine.memory().reset(at(7));
    assert_eq!((memory.clock_floor, memory.newest.len(), memory.floors.len()), (0, 0, 0));
    assert_eq!(outcome(&mut Engine::new(&one_stanza(), memory), &honoured, at(NOW)), Err(Reason::Replay));
}
