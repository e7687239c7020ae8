//! What the engine remembers over restarts, renamed stanzas and losses.

use super::*;

#[test]
fn a_renamed_stanza_keeps_its_floor() {
    let mut engine = engine();
    let honoured = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
    let mut engine = rebooted(&engine, &config(vec![access("alicia", keys(1))]));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW + 1)), Err(Reason::NotNewer));
}

#[test]
fn a_lost_memory_keeps_out_by_time_what_it_may_have_honoured() {
    let memory = Memory { lost: true, ..Memory::default() };
    let mut engine = Engine::new(&one_stanza(), memory.clone());
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(7)), Err(Reason::ClockNotSet));
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW + 120, MESSAGE, &keys(1)), at(NOW + 119)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW + 121, MESSAGE, &keys(1)), at(NOW + 121)), Ok(()));

    let mut config = one_stanza();
    config.main.max_age = 0;
    let mut engine = Engine::new(&config, memory);
    assert_eq!(outcome(&mut engine, &packet(NOW, MESSAGE, &keys(1)), at(NOW)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW * 2, MESSAGE, &keys(1)), at(NOW)), Err(Reason::NotNewer));
}

#[test]
fn a_loss_is_made_up_for_again_where_the_clock_was_late() {
    let memory = Memory { lost: true, ..Memory::default() };
    let mut engine = Engine::new(&one_stanza(), memory);
    engine.settle(at(NOW - 3600));
    engine.settle_again(at(7));
    assert!(engine.is_lost(), "not by a clock that is not set");
    engine.settle_again(at(NOW));
    assert!(!engine.is_lost());
    assert_eq!(outcome(&mut engine, &packet(NOW + 120, MESSAGE, &keys(1)), at(NOW)), Err(Reason::NotNewer));
    assert_eq!(outcome(&mut engine, &packet(NOW + 121, MESSAGE, &keys(1)), at(NOW + 121)), Ok(()));
}

#[test]
fn what_the_engine_remembers_goes_on_in_the_next_process() {
    let mut engine = engine();
    let payload = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &payload, at(NOW)), Ok(()));
    let mut next = Engine::new(&one_stanza(), engine.memory());
    assert_eq!(outcome(&mut next, &payload, at(NOW + 1)), Err(Reason::Replay));
    assert_eq!(outcome(&mut next, &packet(NOW - 5, MESSAGE, &keys(1)), at(NOW + 1)), Ok(()), "no reboot, no floor");
}

#[test]
fn a_lost_memory_keeps_a_counting_stanza_shut_also_without_a_clock() {
    let mut config = one_stanza();
    config.main.max_age = 0;
    let mut engine = Engine::new(&config, Memory { lost: true, ..Memory::default() });
    let replayed = packet(5000, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &replayed, at(7)), Err(Reason::NotNewer));
    let mut engine = rebooted(&engine, &config);
    assert_eq!(outcome(&mut engine, &replayed, at(7)), Err(Reason::NotNewer), "a reboot gives nothing back");
}

#[test]
fn a_stanza_that_was_switched_off_for_a_while_keeps_its_floor() {
    let both = config(vec![access("alice", keys(1)), access("bob", keys(2))]);
    let mut engine = Engine::new(&both, Memory::default());
    let honoured = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
    let engine = rebooted(&engine, &both);
    let engine = Engine::new(&config(vec![access("bob", keys(2))]), engine.memory());
    let mut engine = Engine::new(&both, engine.memory());
    assert_eq!(outcome(&mut engine, &honoured, at(NOW + 10)), Err(Reason::NotNewer));
}

#[test]
fn a_stanza_that_is_gone_is_not_forgotten_while_its_knock_could_be_fresh_again() {
    let with = |name| config(vec![access(name, keys(1)), access("bob", keys(2))]);
    let mut engine = Engine::new(&with("alice"), Memory::default());
    let honoured = packet(NOW, MESSAGE, &keys(1));
    assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
    let later = NOW + 200;
    assert_eq!(outcome(&mut engine, &packet(later, MESSAGE, &keys(2)), at(later)), Ok(()));
    let engine = rebooted(&engine, &config(vec![access("bob", keys(2))]));
    // The clock of the next boot may stand up to `max_age` below the last one.
    let mut engine = rebooted(&engine, &with("alice"));
    assert_eq!(outcome(&mut engine, &honoured, at(later - 100)), Err(Reason::NotNewer));
}

#[test]
fn of_too_many_stanzas_that_are_gone_the_newest_is_kept() {
    let newest = (0..400).map(|id| (format!("s{id:03}"), if id == 0 { NOW } else { 1000 })).collect();
    let mut config = config(vec![access("bob", keys(2))]);
    config.main.max_age = 0;
    let (_, kept) = Engine::new(&config, Memory { newest, ..Memory::default() }).floors();
    assert_eq!(kept.get("s000"), Some(&NOW));
    assert!(kept.len() <= 257);
}

#[test]
fn after_a_reboot_no_other_stanza_with_the_same_key_honours_the_knock_again() {
    for max_age in [120, 0] {
        let mut config = config(vec![access("home", keys(1)), access("away", keys(1))]);
        config.main.max_age = max_age;
        let mut engine = Engine::new(&config, Memory::default());
        let honoured = packet(NOW, MESSAGE, &keys(1));
        assert_eq!(outcome(&mut engine, &honoured, at(NOW)), Ok(()));
        let mut engine = rebooted(&engine, &config);
        assert_eq!(outcome(&mut engine, &honoured, at(NOW + 10)), Err(Reason::NotNewer));
    }
}

#[test]
fn a_new_stanza_with_a_known_key_opens_nothing_that_was_honoured_before() {
    for max_age in [0, 120] {
        let with = |stanzas: Vec<_>| {
            let mut config = config(stanzas);
            config.main.max_age = max_age;
            config
        };
        let mut engine = Engine::new(&with(vec![access("alice", keys(1))]), Memory::default());
        let recorded = packet(NOW, MESSAGE, &keys(1));
        assert_eq!(outcome(&mut engine, &recorded, at(NOW)), Ok(()));
        let both = with(vec![access("alice", keys(1)), access("bob", keys(1))]);
        let mut engine = rebooted(&engine, &both);
        assert_eq!(outcome(&mut engine, &recorded, at(NOW)), Err(Reason::NotNewer), "max_age {max_age}");
        assert_eq!(outcome(&mut engine, &packet(NOW + 1, MESSAGE, &keys(1)), at(NOW + 1)), Ok(()));
    }
}
