use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn serve_all(fair: &mut Fair<u64>) -> Vec<Ticket> {
    std::iter::from_fn(|| fair.serve_next()).collect()
}

/// Asks, and then serves whoever can be served, as [`Pot`] does.
fn ask(fair: &mut Fair<u64>, key: u64, most: u64, units: u64) -> Asked {
    fair.ask(&key, most, units, Urgency::CanWait, usize::MAX)
}

#[test]
fn whatever_happens_bounds_hold_and_nobody_who_could_go_on_waits() {
    for seed in 0..200 {
        let mut numbers = Numbers(seed);
        let total = 1 + numbers.below(12);
        let mosts: Vec<_> = (0..8).map(|_| 1 + numbers.below(total)).collect();
        let mut fair = Fair::new(total);
        let mut waiting: HashMap<Ticket, (u64, u64)> = HashMap::new();
        let mut held: Vec<(u64, u64)> = Vec::new();
        let mut served: HashMap<u64, Ticket> = HashMap::new();
        for _ in 0..2_000 {
            let key = numbers.below(8);
            let most = mosts[usize::try_from(key).unwrap()];
            let units = 1 + numbers.below(most);
            match numbers.below(10) {
                0..5 => match ask(&mut fair, key, most, units) {
                    Asked::Given => held.push((key, units)),
                    Asked::Waits(ticket) => drop(waiting.insert(ticket, (key, units))),
                    Asked::Full(_) => unreachable!(),
                },
                5 if fair.try_give(&key, most, units) => held.push((key, units)),
                6 => {
                    let tickets: Vec<_> = waiting.keys().copied().collect();
                    if let Some(ticket) = tickets.get(usize::try_from(numbers.below(9)).unwrap()) {
                        let (key, _) = waiting.remove(ticket).unwrap();
                        assert!(fair.cancel(&key, *ticket) && !fair.cancel(&key, *ticket));
                    }
                }
                _ if !held.is_empty() => {
                    let at = usize::try_from(numbers.below(held.len() as u64)).unwrap();
                    let (key, units) = held.swap_remove(at);
                    fair.take_back(&key, units);
                }
                _ => {}
            }
            for ticket in serve_all(&mut fair) {
                let (key, units) = waiting.remove(&ticket).unwrap();
                let before = served.insert(key, ticket);
                assert!(before.is_none_or(|before| before < ticket), "first in, first out");
                held.push((key, units));
            }
            let used = |key| held.iter().filter(|(owner, _)| *owner == key).map(|(_, units)| units).sum::<u64>();
            for key in 0..8 {
                assert_eq!(fair.used_by(&key), used(key));
                assert!(used(key) <= mosts[usize::try_from(key).unwrap()], "seed {seed}");
                assert_eq!(fair.waiting_of(&key), waiting.values().filter(|(owner, _)| *owner == key).count());
            }
            assert_eq!(fair.free + held.iter().map(|(_, units)| units).sum::<u64>(), total);
            let could_go_on = |account: &Account| account.first().is_some_and(|request| request.units <= fair.free);
            assert!(fair.starving().is_some() || !fair.accounts.values().any(could_go_on), "seed {seed}");
        }
        let tickets: Vec<_> = waiting.drain().collect();
        tickets.iter().for_each(|(ticket, (key, _))| assert!(fair.cancel(key, *ticket)));
        held.drain(..).for_each(|(key, units)| fair.take_back(&key, units));
        assert_eq!((fair.free, fair.accounts.len(), fair.waiting), (total, 0, 0), "nothing is remembered");
    }
}

#[test]
fn whoever_floods_waits_for_itself_and_others_are_next() {
    let mut fair = Fair::new(4);
    for _ in 0..4 {
        assert_eq!(ask(&mut fair, 0, 4, 1), Asked::Given);
    }
    (0..1_000).for_each(|_| assert!(matches!(ask(&mut fair, 0, 4, 1), Asked::Waits(_))));
    let others: Vec<_> = (1..=3).map(|key| (key, ask(&mut fair, key, 4, 1))).collect();
    for (key, asked) in others {
        fair.take_back(&0, 1);
        assert_eq!(asked, Asked::Waits(fair.serve_next().unwrap()), "{key}");
        assert_eq!((fair.serve_next(), fair.used_by(&key)), (None, 1));
    }
    // When nobody else wants any it has all of it.
    (1..=3).for_each(|key| fair.take_back(&key, 1));
    assert_eq!((serve_all(&mut fair).len(), fair.used_by(&0)), (3, 4));
}

#[test]
fn those_who_have_as_much_take_turns() {
    let mut fair = Fair::new(1);
    assert_eq!(ask(&mut fair, 9, 1, 1), Asked::Given);
    let mut owner = HashMap::new();
    for key in [0_u64, 0, 0, 0, 0, 0, 1, 1, 2] {
        let Asked::Waits(ticket) = ask(&mut fair, key, 1, 1) else { unreachable!() };
        owner.insert(ticket, key);
    }
    let mut order = Vec::new();
    let mut running = 9;
    while fair.waiting > 0 {
        fair.take_back(&running, 1);
        running = owner[&fair.serve_next().unwrap()];
        order.push(running);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn one_that_comes_back_at_once_is_not_before_one_that_waits() {
    let mut fair = Fair::new(1);
    assert_eq!(ask(&mut fair, 0, 1, 1), Asked::Given);
    (0..100).for_each(|_| assert!(matches!(ask(&mut fair, 1, 1, 1), Asked::Waits(_))));
    for _ in 0..99 {
        // A tenant asks again before its request is done, and each time after.
        assert!(matches!(ask(&mut fair, 0, 1, 1), Asked::Waits(_)));
        for (running, next) in [(0, 1), (1, 0)] {
            fair.take_back(&running, 1);
            assert!(fair.serve_next().is_some());
            assert_eq!(fair.used_by(&next), 1);
        }
    }
}

#[test]
fn a_bound_of_its_own_holds_up_its_tenant_alone() {
    let mut fair = Fair::new(8);
    assert_eq!(ask(&mut fair, 0, 2, 2), Asked::Given);
    assert!(matches!(ask(&mut fair, 0, 2, 1), Asked::Waits(_)));
    for _ in 0..100 * PATIENCE {
        assert_eq!(ask(&mut fair, 1, 6, 6), Asked::Given, "there is more than it may have");
        fair.take_back(&1, 6);
        assert_eq!(fair.serve_next(), None);
    }
    fair.take_back(&0, 1);
    assert!(fair.serve_next().is_some());
}

#[test]
fn what_does_not_fit_holds_up_nothing_at_first_and_does_not_starve() {
    let mut fair = Fair::new(10);
    assert_eq!(ask(&mut fair, 0, 10, 2), Asked::Given);
    let Asked::Waits(large) = ask(&mut fair, 1, 9, 9) else { unreachable!() };
    let mut passed = 0;
    while ask(&mut fair, 2, 5, 5) == Asked::Given {
        passed += 5;
        fair.take_back(&2, 5);
        assert_eq!(fair.serve_next(), None);
    }
    assert_eq!(passed, PATIENCE * 10, "small ones went past it until then");
    assert!(fair.try_give(&0, 10, 1), "a run that goes on may still grow, or it would never end");
    fair.take_back(&0, 3);
    assert_eq!(serve_all(&mut fair), [large]);
    fair.take_back(&1, 9);
    assert_eq!(serve_all(&mut fair).len(), 1);
}

#[test]
fn what_goes_on_waits_for_nothing_that_has_not_begun() {
    let mut fair = Fair::new(10);
    assert_eq!(ask(&mut fair, 0, 10, 8), Asked::Given);
    let Asked::Waits(begins) = ask(&mut fair, 0, 10, 1 + 2) else { unreachable!() };
    let Asked::Waits(large) = ask(&mut fair, 1, 9, 9) else { unreachable!() };
    while ask(&mut fair, 2, 2, 2) == Asked::Given {
        fair.take_back(&2, 2);
        assert_eq!(fair.serve_next(), None);
    }
    let goes_on = |fair: &mut Fair<u64>, units| fair.ask(&0, 10, units, Urgency::GoesOn, usize::MAX);
    assert_eq!(goes_on(&mut fair, 2), Asked::Given, "although units are kept for another");
    let Asked::Waits(one) = goes_on(&mut fair, 1) else { unreachable!() };
    let Asked::Waits(two) = goes_on(&mut fair, 1) else { unreachable!() };
    fair.take_back(&0, 2);
    assert_eq!(serve_all(&mut fair), [one, two]);
    fair.take_back(&0, 10);
    assert_eq!(serve_all(&mut fair)[..1], [large]);
    fair.take_back(&1, 9);
    assert!(serve_all(&mut fair).contains(&begins));
}

#[test]
fn a_queue_is_bounded_for_each() {
    let mut fair = Fair::new(1);
    assert_eq!(fair.ask(&0, 1, 1, Urgency::CanWait, 0), Asked::Given, "it need not wait");
    assert_eq!(fair.ask(&0, 1, 1, Urgency::CanWait, 0), Asked::Full(0));
    assert!(
        matches!(fair.ask(&0, 1, 1, Urgency::CanWait, 2), Asked::Waits(_))
            && matches!(fair.ask(&0, 1, 1, Urgency::CanWait, 2), Asked::Waits(_))
    );
    assert_eq!(fair.ask(&0, 1, 1, Urgency::CanWait, 2), Asked::Full(2));
    assert!(matches!(fair.ask(&1, 1, 1, Urgency::CanWait, 1), Asked::Waits(_)), "another has a queue of its own");
    assert_eq!(fair.ask(&2, 1, 1, Urgency::CanWait, 0), Asked::Full(0));
    assert!(!fair.accounts.contains_key(&2));
}

fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn whoever_stops_waiting_gives_its_turn_back_before_and_after_it_was_served() {
    let pot = Pot::new(1);
    let held = pot.try_take(&0, 1, 1).unwrap();
    {
        let mut first = Box::pin(pot.take(&1, (1, 1), Urgency::CanWait, 9));
        let mut second = Box::pin(pot.take(&1, (1, 1), Urgency::CanWait, 9));
        let mut third = Box::pin(pot.take(&2, (1, 1), Urgency::CanWait, 9));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending() && poll(&mut third).is_pending());
        assert_eq!((pot.waiting(), pot.waiting_of(&1)), (3, 2));
        drop(first);
        assert_eq!(pot.waiting(), 2);
        drop(held);
        assert_eq!((pot.waiting(), pot.used_by(&1)), (1, 1), "it was served, and does not know yet");
        drop(second);
        assert_eq!((pot.waiting(), pot.used_by(&2)), (0, 1), "what it was given goes to the next");
        let Poll::Ready(Ok(units)) = poll(&mut third) else { unreachable!() };
        assert_eq!((units.units(), pot.free()), (1, 0));
    }
    assert_eq!((pot.free(), pot.accounts()), (1, 0));
    let mut never = pin!(pot.take(&3, (1, 1), Urgency::CanWait, 0));
    assert!(matches!(poll(&mut never), Poll::Ready(Ok(_))));
    let held = pot.try_take(&0, 1, 1).unwrap();
    assert_eq!(
        poll(&mut Box::pin(pot.take(&3, (1, 1), Urgency::CanWait, 0))).map(Result::unwrap_err),
        Poll::Ready(Full { waiting: 0 })
    );
    drop(held);
}

#[test]
fn whoever_waits_for_a_tenant_that_comes_to_wait_for_itself_goes_on_at_once() {
    let pot = Pot::new(10);
    let _others = pot.try_take(&1, 10, 5).unwrap();
    let mut starving = pin!(pot.take(&0, (6, 6), Urgency::CanWait, 9));
    assert!(poll(&mut starving).is_pending());
    // Until enough went past that what there is is kept for it.
    let mut kept_back = loop {
        let mut next = Box::pin(pot.take(&2, (10, 4), Urgency::CanWait, 9));
        match poll(&mut next) {
            Poll::Ready(units) => drop(units.unwrap()),
            Poll::Pending => break next,
        }
    };
    let _grown = pot.try_take(&0, 6, 1).unwrap();
    assert!(poll(&mut kept_back).is_ready());
    assert!(poll(&mut starving).is_pending());
}

#[test]
fn units_shrink_merge_and_are_all_given_back() {
    let pot = Pot::new(10);
    let mut some = pot.try_take(&0, 10, 4).unwrap();
    some.merge(pot.try_take(&0, 10, 3).unwrap());
    assert!(pot.try_take(&0, 8, 2).is_none() && pot.try_take(&1, 10, 4).is_none());
    some.shrink_to(2);
    some.shrink_to(5);
    assert_eq!((some.units(), pot.free(), pot.used_by(some.key())), (2, 8, 2));
    let empty = pot.try_take(&1, 10, 0).unwrap();
    assert_eq!(pot.accounts(), 1);
    drop((some, empty));
    assert_eq!((pot.free(), pot.accounts()), (10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the test waits for all of them")]
async fn many_at_once_on_several_threads_all_get_their_turn_and_leave_nothing() {
    let pot = Pot::new(3);
    let tasks: Vec<_> = (0..400_u64)
        .map(|number| {
            let pot = pot.clone();
            tokio::spawn(async move {
                let (key, units) = (number % 7, 1 + number % 3);
                for round in 0..20 {
                    let taken = pot.take(&key, (3, units), Urgency::CanWait, usize::MAX);
                    if (number + round) % 5 == 0 {
                        // Given up at any moment.
                        let _ = tokio::time::timeout(std::time::Duration::from_micros(number), taken).await;
                        continue;
                    }
                    let held = taken.await.unwrap();
                    tokio::task::yield_now().await;
                    drop(held);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((pot.free(), pot.waiting(), pot.accounts()), (3, 0, 0));
    assert!(pot.0.lock().waiters.is_empty());
}
