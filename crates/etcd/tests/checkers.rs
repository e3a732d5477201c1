//! The checkers of the trial are themselves on trial: right histories pass, and each kind of wrong
//! one is refused.

#[path = "support/port.rs"]
mod port;
#[path = "trial/trial.rs"]
#[allow(dead_code, reason = "the clients of the trial are not used here")]
mod trial;

#[path = "checkers/leases.rs"]
mod leases;
#[path = "checkers/world.rs"]
mod world;

use trial::history::{Call, Outcome};
use trial::linear;
use trial::load::Random;
use trial::model::{Action, Answer, Expect, Keys, Operation, Space};
use trial::timeline::{Timeline, Wrong};
use world::World;

fn put(key: &str, value: u64) -> Operation {
    Operation::plain(Action::Put { key: key.into(), value, lease: 0 })
}

fn get(key: &str) -> Operation {
    Operation::plain(Action::Get(Keys::One(key.into())))
}

fn get_all(prefix: &str) -> Operation {
    Operation::plain(Action::Get(Keys::Prefix(prefix.into())))
}

fn swap(key: &str, from: u64, to: u64) -> Operation {
    Operation {
        compares: vec![(key.into(), Expect::Value(from))],
        then: vec![Action::Put { key: key.into(), value: to, lease: 0 }],
        otherwise: vec![Action::Get(Keys::One(key.into()))],
    }
}

fn both(a: u64, b: u64) -> Operation {
    let put = |key: &str, value| Action::Put { key: key.into(), value, lease: 0 };
    Operation { then: vec![put("a", a), put("b", b)], ..Operation::default() }
}

fn linear(calls: &[Call]) -> bool {
    linear::check(&Space::new(), calls, |_| false).is_ok()
}

fn timeline(world: &World) -> Result<(), Wrong> {
    Timeline::default().check(&world.calls, &world.written).map(|_| ())
}

fn is_right(world: &World) {
    assert!(linear(&world.calls));
    timeline(world).expect("it happened so");
}

/// Makes the answer of a call the one it would have got earlier.
fn answer_like(world: &mut World, call: usize, earlier: usize) {
    world.calls[call].outcome = match (&world.calls[earlier].outcome, &world.calls[call].outcome) {
        (Outcome::Known { reply, .. }, Outcome::Known { end, .. }) => {
            Outcome::Known { reply: reply.clone(), end: *end }
        }
        _ => panic!("both are answered"),
    };
}

#[test]
fn what_happened_one_after_the_other_is_right() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    world.does(20, 30, &get("a"));
    world.does(40, 50, &swap("a", 1, 2));
    world.does(60, 70, &swap("a", 1, 3));
    world.does(80, 90, &Operation::plain(Action::Delete(Keys::One("a".into()))));
    world.does(100, 110, &get("a"));
    is_right(&world);
}

#[test]
fn what_overlaps_may_have_happened_in_any_order() {
    let mut world = World::default();
    world.does(5, 100, &put("a", 2));
    world.does(0, 100, &put("a", 1));
    world.does(1, 90, &get("a"));
    world.does(2, 80, &put("a", 3));
    is_right(&world);
}

#[test]
fn a_stale_read_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    world.does(20, 30, &get("a"));
    world.does(40, 50, &put("a", 2));
    world.does(60, 70, &get("a"));
    answer_like(&mut world, 3, 1);
    assert!(!linear(&world.calls));
    assert!(matches!(timeline(&world), Err(Wrong::Order { floor: 2, revision: 1, .. })));
}

#[test]
fn a_read_of_a_group_that_is_stale_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &both(1, 2));
    world.does(20, 30, &get_all(""));
    world.does(40, 50, &both(3, 4));
    world.does(60, 70, &get_all(""));
    is_right(&world);
    answer_like(&mut world, 3, 1);
    assert!(!linear(&world.calls));
    assert!(timeline(&world).is_err());
}

#[test]
fn a_lost_write_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    // Forgotten, though it was acknowledged: the revision is taken again.
    world.forget();
    world.does(20, 30, &get("a"));
    assert!(!linear(&world.calls));
    assert!(matches!(timeline(&world), Err(Wrong::Unseen { revision: 1, .. })));
    world.does(40, 50, &put("b", 2));
    assert!(timeline(&world).is_err());
}

#[test]
fn a_transaction_applied_by_half_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &both(1, 2));
    world.does(20, 30, &get_all(""));
    world.written[0].changes.pop();
    assert!(matches!(timeline(&world), Err(Wrong::Unasked { revision: 1, .. })));

    let mut world = World::default();
    world.does(0, 10, &both(1, 2));
    // A reader that comes in the middle: for each key alone it is in order, and not for both.
    world.does(5, 9, &get_all(""));
    let Outcome::Known { reply, .. } = &mut world.calls[1].outcome else { unreachable!() };
    let Answer::Got(found) = &mut reply.answers[0] else { unreachable!() };
    found.pop();
    assert!(linear(&world.calls), "one key at a time cannot see this");
    assert!(matches!(timeline(&world), Err(Wrong::Answer { revision: 1, .. })));
}

#[test]
fn a_transaction_without_an_answer_is_not_applied_by_half_either() {
    let mut world = World::default();
    world.breaks(0, &both(1, 2));
    world.written[0].changes.pop();
    assert!(matches!(timeline(&world), Err(Wrong::Unasked { revision: 1, .. })));
}

#[test]
fn two_that_swap_the_same_value_are_refused() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    world.does(20, 60, &swap("a", 1, 2));
    world.does(20, 60, &swap("a", 1, 3));
    is_right(&world);
    answer_like(&mut world, 2, 1);
    assert!(!linear(&world.calls));
    assert!(timeline(&world).is_err());
}

#[test]
fn a_call_without_an_answer_happened_once_or_never() {
    let mut done = World::default();
    done.breaks(0, &put("a", 1));
    done.does(20, 30, &get("a"));
    is_right(&done);
    let mut lost = World::default();
    lost.is_lost(0, &put("a", 1));
    lost.does(20, 30, &get("a"));
    is_right(&lost);
    // Later than one thinks.
    let mut late = World::default();
    late.does(20, 30, &get("a"));
    late.breaks(0, &put("a", 1));
    late.does(40, 50, &get("a"));
    is_right(&late);

    let mut twice = World::default();
    twice.breaks(0, &put("a", 1));
    twice.does(20, 30, &put("a", 2));
    twice.breaks(0, &put("a", 1));
    twice.calls.pop();
    twice.does(40, 50, &get("a"));
    assert!(!linear(&twice.calls));
    assert!(matches!(timeline(&twice), Err(Wrong::Unasked { revision: 3, .. })));
}

#[test]
fn what_was_there_does_not_go_again() {
    let mut world = World::default();
    world.breaks(0, &put("a", 1));
    world.does(20, 30, &get("a"));
    world.does(40, 50, &get("a"));
    let Outcome::Known { reply, .. } = &mut world.calls[2].outcome else { unreachable!() };
    reply.answers = vec![Answer::Got(Vec::new())];
    assert!(!linear(&world.calls));
    assert!(timeline(&world).is_err());
}

#[test]
fn nothing_is_seen_before_it_is_asked_for() {
    let mut world = World::default();
    world.breaks(100, &put("a", 1));
    world.does(20, 30, &get("a"));
    assert!(!linear(&world.calls));
    assert!(matches!(timeline(&world), Err(Wrong::Order { floor: 1, revision: 1, .. })));
}

#[test]
fn a_watch_with_a_gap_or_a_repeat_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    world.does(20, 30, &put("a", 2));
    world.does(40, 50, &put("a", 3));
    let mut gap = world.clone();
    gap.written.remove(1);
    assert!(matches!(timeline(&gap), Err(Wrong::Broken { before: 1, got: 3 })));
    let mut repeat = world.clone();
    repeat.written.insert(1, repeat.written[1].clone());
    assert!(matches!(timeline(&repeat), Err(Wrong::Broken { before: 2, got: 2 })));
    let mut end = world.clone();
    end.written.pop();
    assert!(matches!(timeline(&end), Err(Wrong::Unseen { revision: 3, .. })));
}

#[test]
fn a_wrong_version_is_refused() {
    let mut world = World::default();
    world.does(0, 10, &put("a", 1));
    world.does(20, 30, &put("a", 2));
    world.does(40, 50, &get("a"));
    let Outcome::Known { reply, .. } = &mut world.calls[2].outcome else { unreachable!() };
    let Answer::Got(found) = &mut reply.answers[0] else { unreachable!() };
    found[0].1.version = 1;
    assert!(matches!(timeline(&world), Err(Wrong::Answer { revision: 2, .. })));
}

/// Concurrent clients at random, and what the two checkers say of them.
fn random_world(seed: u64) -> World {
    let mut random = Random(seed);
    let mut world = World::default();
    let mut value = 0u64;
    for step in 0..300 {
        let key = ["a", "b", "c"][random.below(3) as usize];
        value += 1;
        let operation = match random.below(6) {
            0 | 1 => get(key),
            2 => get_all(""),
            3 => swap(key, value.saturating_sub(random.below(4)), value),
            4 => both(value, value + 100_000),
            _ => put(key, value),
        };
        let at = step * 100;
        let start = at - random.below(400).min(at);
        match random.below(30) {
            0 => world.breaks(start, &operation),
            1 => world.is_lost(start, &operation),
            _ => world.does(start, at + random.below(400), &operation),
        }
    }
    world
}

#[test]
fn whatever_happens_to_concurrent_clients_is_right() {
    for seed in 0..100 {
        let world = random_world(seed);
        assert!(linear(&world.calls), "seed {seed}");
        if let Err(wrong) = timeline(&world) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

#[test]
fn one_wrong_answer_among_hundreds_is_refused() {
    let mut refused_by_value = 0;
    for seed in 0..100 {
        let mut world = random_world(seed);
        let found = |call: &Call| {
            let found = call.known().map(|(reply, _)| reply.answers.as_slice());
            matches!(found, Some([Answer::Got(found)]) if !found.is_empty())
        };
        let place = world.calls.iter().rposition(found).expect("a read");
        let Outcome::Known { reply, .. } = &mut world.calls[place].outcome else { unreachable!() };
        let Answer::Got(found) = &mut reply.answers[0] else { unreachable!() };
        // A value that was there at some time, mostly.
        found[0].1.value = found[0].1.value.saturating_sub(9);
        refused_by_value += usize::from(!linear(&world.calls));
        assert!(timeline(&world).is_err(), "seed {seed}");
    }
    assert!(refused_by_value > 90, "by value some may be right, if other reads ran beside them");
}

#[test]
fn sixteen_clients_on_one_key_are_checked_in_no_time() {
    let mut world = World::default();
    for round in 0..300 {
        for client in 0..16 {
            let at = round * 1000;
            let operation = if client < 5 { put("a", round * 16 + client + 1) } else { get("a") };
            world.does(at, at + 900, &operation);
        }
    }
    is_right(&world);
}
