//! Fifty tenants, of whom two are hostile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sandbox::{Error, RunEvents, RunStage, SessionChoice, Told};
use tokio_util::sync::CancellationToken;

use crate::apart::{Handles, answers};
use crate::house::{House, IDLE, Tenant, WORKERS, memory_files, some};

const OTHERS: usize = 48;
/// How often each tenant does each thing.
const ROUNDS: usize = 4;
/// How many calls the one who floods always has going on.
const FLOOD: usize = 64;
/// How many runs of the one who floods may begin while a call of another waits for its
/// place: as many as there are places, had each just ended.
const PASSED: usize = 4;

pub(crate) async fn fifty_tenants_of_whom_two_are_hostile() {
    let house = Arc::new(House::new(64, some(), &[]));
    let events = tokio::spawn(order(house.executor.events()));
    let (stop, flood) = (CancellationToken::new(), Arc::new(Flood::default()));
    let victims: Vec<_> = (0..OTHERS).map(|number| house.tenant(&format!("t{number}"))).collect();

    let flooder = house.tenant("flooder");
    let flooding: Vec<_> = (0..FLOOD)
        .map(|number| tokio::spawn(floods(flooder.clone(), number, Arc::clone(&flood), stop.clone())))
        .collect();
    let known = Handles::of(&victims[0]).await;
    let eating = tokio::spawn(eats(Arc::clone(&house), known.clone(), stop.clone()));

    let started = Instant::now();
    let working: Vec<_> = victims.iter().map(|victim| tokio::spawn(works(victim.clone()))).collect();
    let mut slowest = Duration::ZERO;
    for work in working {
        slowest = slowest.max(work.await.unwrap());
    }
    let elapsed = started.elapsed();
    stop.cancel();
    for flooding in flooding {
        flooding.await.unwrap();
    }
    let (bombs, guesses, kills) = eating.await.unwrap();
    let (ran, busy) = (flood.ran.load(Ordering::Relaxed), flood.busy.load(Ordering::Relaxed));
    println!(
        "  {} calls in {elapsed:?}, the slowest {slowest:?}; of the hostile ones {ran} ran and {busy} were refused, \
         {bombs} bombs, {guesses} guesses, {kills} killed workers",
        OTHERS * (2 * ROUNDS + 1),
    );
    // The controls: hostile tenants did what they were to do.
    assert!(ran > 0 && busy > 100 && bombs > 0 && guesses > 0 && kills > 0);

    // What the others made is theirs still.
    assert_eq!(victims[0].prints_in(&known.session, "print(secret, open('secret').read())").await, "theirs theirs");
    house.executor.tidy(Instant::now()).await;
    let health = house.executor.health();
    // One that was killed last is replaced when somebody wants it.
    let workers = health.pool.unwrap().workers;
    assert!(health.tenants == OTHERS + 2 && (1..=WORKERS).contains(&workers), "{} {workers}", health.tenants);
    house.executor.tidy(Instant::now() + IDLE).await;
    assert_eq!(house.executor.health().tenants, 0);
    tests::eventually("all directories to go", || house.directories().is_empty().then_some(()));
    tests::eventually("all workers to go", || house.workers().is_empty().then_some(()));
    tests::eventually("all memory to be given back", || {
        (house.executor.health().pool.unwrap().memory_used_bytes == 0 && memory_files() == 0).then_some(())
    });
    let health = house.executor.health();
    let workers = health.pool.unwrap().workers;
    assert_eq!((workers, health.runs_active, health.runs_queued, health.sessions_live), (0, 0, 0, 0));

    drop((flooder, victims));
    drop(Arc::into_inner(house).unwrap());
    let (worst, calls) = events.await.unwrap();
    println!("  while one of {calls} calls waited, at most {worst} runs of the one who floods began");
    assert!(calls >= OTHERS * (2 * ROUNDS + 1) && worst <= PASSED, "{worst}");
}

#[derive(Default)]
struct Flood {
    ran: AtomicU64,
    busy: AtomicU64,
}

/// Calls and calls again, with sessions and without, and holds its places for long.
async fn floods(tenant: Tenant, number: usize, flood: Arc<Flood>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let session = if number.is_multiple_of(2) { SessionChoice::New } else { SessionChoice::None };
        match tenant.execute(session, "import time\ntime.sleep(0.05)").await {
            Ok(_) => drop(flood.ran.fetch_add(1, Ordering::Relaxed)),
            Err(error @ Error::Busy { .. }) => {
                let text = error.to_string();
                let is_its_own = text.contains("too many of your runs are waiting (8 of 8 in use)")
                    || text.contains("all sessions are in use at this moment (4 of 4 in use)");
                assert!(is_its_own, "{text}");
                flood.busy.fetch_add(1, Ordering::Relaxed);
                // The wait is that of a client that does not even read the answer.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(Error::Denied { action, reason }) => {
                assert!(action == "keeping this session" && reason.contains("principal_store_bytes"), "{reason}");
                flood.busy.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Takes memory, ends interpreters and workers, and tries what it knows of others.
async fn eats(house: Arc<House>, known: Handles, stop: CancellationToken) -> (usize, usize, usize) {
    let (mut bombs, mut guesses, mut kills) = (0, 0, 0);
    let tenant = house.tenant("eater");
    let own = tenant.begin("pass").await;
    let never = answers(&tenant, &own, &Handles::of_nobody(&known)).await;
    // However soon the others are done, each of these was seen.
    while !stop.is_cancelled() || bombs == 0 || kills == 0 {
        let bomb = tenant.execute(SessionChoice::New, "x = []\nwhile True: x.append(bytearray(8 << 20))").await;
        bombs += usize::from(bomb.is_ok_and(|bomb| bomb.report.error.is_some_and(|error| error.name == "MemoryError")));
        drop(tenant.execute(SessionChoice::None, "import os\nos.abort()").await);
        assert_eq!(answers(&tenant, &own, &known).await, never);
        guesses += 1;
        for worker in house.workers_of("eater") {
            worker.signal(Signal::SIGKILL);
            kills += 1;
        }
    }
    (bombs, guesses, kills)
}

/// Does what a tenant does, and knows what must come of it. Says how long the
/// slowest of its calls took.
async fn works(tenant: Tenant) -> Duration {
    let mut slowest = Duration::ZERO;
    let name = tenant.name().to_owned();
    let session = tenant.begin(&format!("mine = ['{name}']\nopen('mine', 'w').write('{name}')")).await;
    for round in 1..=ROUNDS {
        let begun = Instant::now();
        let code = "import os\nmine.append(mine[0])\nprint(len(mine), set(mine), open('mine').read(), os.listdir())";
        let expected = format!("{} {{'{name}'}} {name} ['mine']", round + 1);
        assert_eq!(tenant.prints_in(&session, code).await, expected);
        slowest = slowest.max(begun.elapsed());
        let alone = tenant.prints(SessionChoice::None, "import os\nprint(os.listdir(), 'mine' in globals())").await;
        assert_eq!(alone, "[] False");
    }
    let listed = tenant.executor.list_sessions(&tenant.principal).await.unwrap();
    assert!(listed.iter().any(|listed| listed.id == session));
    assert!(listed.len() <= 2, "{name} sees {} sessions", listed.len());
    slowest
}

/// The most runs of the one who floods that began while a call of another waited
/// for its place, and how many calls of others there were.
async fn order(mut events: RunEvents) -> (usize, usize) {
    let (mut floods, mut worst, mut calls) = (0, 0, 0);
    let mut waiting = HashMap::new();
    while let Some(told) = events.next().await {
        let Told::Event(event) = told else { panic!("events were lost: {told:?}") };
        let is_flood = event.call.principal.directory_name() == "flooder";
        let is_other = event.call.principal.directory_name().starts_with('t');
        match event.stage {
            RunStage::Started if is_flood => floods += 1,
            RunStage::Admitted if is_other => drop(waiting.insert(event.call.number, floods)),
            RunStage::Started if is_other => {
                worst = worst.max(floods - waiting.remove(&event.call.number).unwrap());
                calls += 1;
            }
            _ => {}
        }
    }
    (worst, calls)
}
