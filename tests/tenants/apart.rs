//! What is one tenant's is nothing to another.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sandbox::{Error, InputFile, RunId, SessionChoice, SessionId, SnapshotId, Status, Trap, WorkspacePath};
use tokio_util::sync::CancellationToken;

use crate::house::{House, Tenant, some};

/// What is somebody's: a session, a snapshot of it, and a run.
#[derive(Clone)]
pub(crate) struct Handles {
    pub(crate) session: SessionId,
    pub(crate) snapshot: SnapshotId,
    pub(crate) run: RunId,
}

impl Handles {
    pub(crate) async fn of(tenant: &Tenant) -> Self {
        let session = tenant.begin("secret = 'theirs'\nopen('secret', 'w').write(secret)").await;
        let (_, snapshot) =
            tenant.executor.snapshot(&tenant.principal, &session, &CancellationToken::new()).await.unwrap();
        let run = tenant.execute(SessionChoice::None, "print('theirs')").await.unwrap().run;
        Self { session, snapshot: snapshot.id, run }
    }

    /// Handles of nobody. That of a run says which server made it, as every other does.
    pub(crate) fn of_nobody(like: &Self) -> Self {
        let run: String = like.run.as_str()[..8].chars().chain(SessionId::random().as_str()[8..].chars()).collect();
        Self { session: SessionId::random(), snapshot: SnapshotId::random(), run: RunId::parse(&run).unwrap() }
    }
}

/// What `tenant` is told about each of these handles, whatever it asks, without the
/// handles themselves. `own` is a session of its own.
pub(crate) async fn answers(tenant: &Tenant, own: &SessionId, handles: &Handles) -> Vec<String> {
    let Tenant { executor, principal } = tenant;
    let Handles { session, snapshot, run } = handles;
    let never = &CancellationToken::new();
    let file = || InputFile { path: WorkspacePath::new("path", "f").unwrap(), bytes: b"x".to_vec() };
    fn told<T>(answer: Result<T, Error>) -> String {
        answer.map_or_else(|error| format!("{}: {error}", error.kind()), |_| "done".into())
    }
    let answers = [
        told(tenant.execute(SessionChoice::Existing(session.clone()), "print(secret)").await),
        told(executor.session_files(principal, session).await),
        told(executor.write(principal, Some(session), file(), never).await),
        told(executor.list_snapshots(principal, session, never).await),
        told(executor.snapshot(principal, session, never).await),
        told(executor.restore(principal, session, snapshot, never).await),
        told(executor.fork(principal, session, None, never).await),
        told(executor.close(principal, session, Some(snapshot), never).await),
        told(executor.finished_run(principal, run).await),
        told(executor.restore(principal, own, snapshot, never).await),
        told(executor.fork(principal, own, Some(snapshot), never).await),
        told(executor.close(principal, session, None, never).await),
    ];
    let without = |text: String| {
        text.replace(session.as_str(), "it").replace(snapshot.as_str(), "it").replace(run.as_str(), "it")
    };
    answers.map(without).to_vec()
}

pub(crate) async fn handles_of_another_answer_as_those_that_never_were() {
    let house = House::new(8, some(), &[]);
    let (owner, other) = (house.tenant("owner"), house.tenant("other"));
    let own = other.begin("x = 1").await;
    let theirs = Handles::of(&owner).await;
    let never = answers(&other, &own, &Handles::of_nobody(&theirs)).await;
    assert!(never.iter().all(|text| text.starts_with("not_found: ")), "{never:?}");
    assert_eq!(answers(&other, &own, &theirs).await, never);
    takes_as_long_as_one_of_nobody(&other, &theirs.session).await;
    // The answers are the same once the session lies in the store alone.
    house.executor.tidy(Instant::now() + Duration::from_secs(400)).await;
    assert!(!owner.executor.list_sessions(&owner.principal).await.unwrap()[0].is_live);
    assert_eq!(answers(&other, &own, &theirs).await, never);

    takes_as_long_as_one_of_nobody(&other, &theirs.session).await;

    // The control: each of that is possible to its owner.
    let control = answers(&owner, &theirs.session, &theirs).await;
    let (last, rest) = control.split_at(8);
    assert!(last.iter().all(|answer| answer == "done"), "{control:?}");
    assert_eq!(rest[0], "done");
}

/// Asserts that time tells nobody that a handle is of another: each takes one look at
/// the store, and is nearer to that than to two.
async fn takes_as_long_as_one_of_nobody(other: &Tenant, theirs: &SessionId) {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0..1200 {
        let kind = number % 3;
        let looks = if kind == 2 { 2 } else { 1 };
        let sessions: Vec<_> =
            (0..looks).map(|_| if kind == 0 { theirs.clone() } else { SessionId::random() }).collect();
        let begun = Instant::now();
        for session in &sessions {
            other.executor.session_files(&other.principal, session).await.unwrap_err();
        }
        times[kind].push(begun.elapsed());
    }
    let [of_another, of_nobody, two] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("  the handle of another takes {of_another:?}, one of nobody {of_nobody:?}, two of nobody {two:?}");
    assert!(of_another < (of_nobody + two) / 2, "as if it were looked for twice");
    assert!(of_nobody < (of_another + two) / 2, "as if another were not looked for");
}

pub(crate) async fn whoever_names_the_handle_of_another_takes_nothing_from_it() {
    let house = House::new(8, some(), &[]);
    let (owner, other) = (house.tenant("owner"), house.tenant("other"));
    let session = owner.begin("x = 0\nopen('f', 'w').write('0')").await;
    let stop = CancellationToken::new();
    let naming = async {
        let mut named = 0;
        while !stop.is_cancelled() {
            other.executor.session_files(&other.principal, &session).await.unwrap_err();
            other.executor.close(&other.principal, &session, None, &CancellationToken::new()).await.unwrap_err();
            named += 1;
        }
        named
    };
    let using = async {
        for number in 1..=40_u32 {
            let code = "x += 1\nn = int(open('f').read()) + 1\nopen('f', 'w').write(str(n))\nprint(x, n)";
            assert_eq!(owner.prints_in(&session, code).await, format!("{number} {number}"));
            if number % 8 == 0 {
                // Both look the session up at the same time.
                house.executor.tidy(Instant::now() + Duration::from_secs(400)).await;
            }
        }
        stop.cancel();
    };
    let (named, ()) = tokio::join!(naming, using);
    assert!(named > 40, "{named}");
    assert_eq!(owner.executor.list_sessions(&owner.principal).await.unwrap().len(), 1);
    assert!(other.executor.list_sessions(&other.principal).await.unwrap().is_empty());
}

pub(crate) async fn a_worker_that_dies_takes_only_its_tenant_with_it() {
    let house = House::new(8, some(), &[]);
    let (one, other) = (house.tenant("one"), house.tenant("other"));
    let waits = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.002)\n\
                 x += 1\nprint(x)";
    let (mine, theirs) = (one.begin("x = 1").await, other.begin("x = 1").await);
    let begun = |session: &SessionId| house.files_of(session).is_some_and(|files| files.join("begun").exists());
    let killing = async {
        while !(begun(&mine) && begun(&theirs)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let [worker] = house.workers_of("one")[..] else { panic!("expected one worker") };
        assert!(!house.workers_of("other").contains(&worker));
        worker.signal(Signal::SIGKILL);
        worker.wait_until_gone();
        std::fs::write(house.files_of(&theirs).unwrap().join("go"), "").unwrap();
    };
    let (lost, printed, ()) = tokio::join!(
        one.execute(SessionChoice::Existing(mine.clone()), waits),
        other.prints_in(&theirs, waits),
        killing
    );
    assert_eq!(lost.unwrap().report.status, Status::Trapped(Trap::WorkerLost));
    assert_eq!(printed, "2");
    assert_eq!(one.prints_in(&mine, "print(x)").await, "1", "and that goes on where it was");
}
