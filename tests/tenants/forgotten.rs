//! A tenant that does nothing costs nothing.

use std::time::{Duration, Instant};

use sandbox::SessionChoice;
use tests::eventually;

use crate::house::{House, IDLE, WORKERS, memory_files, some};

const TENANTS: usize = 12;

pub(crate) async fn whoever_does_nothing_leaves_nothing_and_comes_back() {
    let house = House::new(64, some(), &[]);
    let before = memory_files();
    let mut sessions = Vec::new();
    for number in 0..TENANTS {
        let tenant = house.tenant(&format!("t{number}"));
        let session = tenant.begin(&format!("x = {number}\nopen('f', 'w').write('{number}')")).await;
        tenant.prints_in(&session, "print(x)").await;
        // The run is left to be read, with more output than a reply has.
        let run =
            tenant.execute(SessionChoice::None, "open('g', 'w').write('x')\nprint('x' * 100_000)").await.unwrap().run;
        sessions.push((tenant, session, run));
    }
    // The controls: all of that is there.
    let health = house.executor.health();
    assert_eq!((health.tenants, house.directories().len()), (TENANTS, TENANTS));
    let workers = house.workers();
    assert!(workers.len() == WORKERS && memory_files() > before, "{} {}", workers.len(), memory_files());

    // One tenant goes on, in the midst of a call, and stays.
    let (busy, session, _) = &sessions[0];
    let files = house.files_of(session).unwrap();
    let waits =
        "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.002)\nprint(x)";
    let meanwhile = async {
        while !files.join("begun").exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        house.executor.tidy(Instant::now() + IDLE).await;
        assert_eq!(house.executor.health().tenants, 1);
        eventually("directories to go", || (house.directories() == ["t0"]).then_some(()));
        std::fs::write(files.join("go"), "").unwrap();
    };
    let (printed, ()) = tokio::join!(busy.prints_in(session, waits), meanwhile);
    assert_eq!(printed, "0");
    for worker in &workers {
        if !house.workers_of("t0").contains(worker) {
            worker.wait_until_gone();
        }
    }

    house.executor.tidy(Instant::now() + IDLE).await;
    eventually("the last to go", || house.directories().is_empty().then_some(()));
    assert_eq!(house.executor.health().tenants, 0);
    eventually("workers and memory to go", || {
        let used = house.executor.health().pool.unwrap().memory_used_bytes;
        (house.workers().is_empty() && used == 0 && memory_files() == before).then_some(())
    });

    // Sessions of forgotten tenants are in the store, and the results of their runs had their time.
    for (number, (tenant, session, run)) in sessions.iter().enumerate() {
        let printed = tenant.prints_in(session, "print(x, open('f').read())").await;
        assert_eq!(printed, format!("{number} {number}"));
        tenant.executor.finished_run(&tenant.principal, run).await.unwrap_err();
    }
}
