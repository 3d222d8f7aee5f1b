//! Many runs at once: each gets its own input and gives its own output.

use serde_json::json;
use tests::{Server, alone};

/// The default queue has room for 64 beside those that run.
const IN_FLIGHT: usize = 64;

#[test]
fn sixty_four_in_flight_each_get_only_their_own() {
    let _alone = alone();
    for threads in [1, 4] {
        each_gets_only_its_own(&Server::with().flag(format!("--threads={threads}")).start());
    }
}

fn each_gets_only_its_own(server: &Server) {
    let code = "import sys, time\nname = sys.argv[1]\nfor n in range(20):\n    print(name, n)\n    time.sleep(0.005)\n\
                open('own.txt', 'w').write(name + sys.stdin.read())\nimport os\nprint(os.listdir(), os.environ['NAME'])\nname";
    let pending: Vec<_> = (0..IN_FLIGHT)
        .map(|number| {
            let name = format!("run-{number}");
            let more = json!({"args": [&name], "stdin": &name, "env": {"NAME": &name}});
            (name, server.begin_execute(code, more))
        })
        .collect();
    for (name, pending) in pending {
        let token = pending.id();
        let reply = pending.wait();
        let mut expected: String = (0..20).map(|n| format!("{name} {n}\n")).collect();
        expected.push_str(&format!("['own.txt'] {name}\n"));
        assert_eq!(reply.output(), expected);
        assert_eq!(reply.value(), Some(format!("'{name}'").as_str()));
        let file = server.call("read", json!({"run": reply.run(), "path": "own.txt"}));
        assert!(file.text().starts_with(&format!("{name}{name}\n")), "{}", file.text());
        // The progress was that run's own, too.
        for message in
            server.client.notifications().iter().filter(|message| message["params"]["progressToken"] == token)
        {
            let text = message["params"]["message"].as_str().unwrap();
            assert!(
                text.lines().skip(1).all(|line| line.is_empty() || line.split(' ').any(|word| word == name)),
                "{name}: {text}"
            );
        }
    }
    assert_eq!(server.client.strays(), Vec::<String>::new());
}

#[test]
fn what_finds_no_room_in_the_queue_is_told_to_come_again() {
    let server = Server::with().flag("--runs=1").flag("--queue=1").start();
    let hold = |server: &Server| {
        server.begin_execute("import time\ntime.sleep(120)", json!({"limits": {"wall_time_ms": 120_000}}))
    };
    let first = hold(&server);
    server.wait_for_health("the first run", |health| health["runs_active"] == 1);
    let second = hold(&server);
    server.wait_for_health("the second in the queue", |health| health["runs_queued"] == 1);
    let refused = server.execute("print(1)");
    assert!(
        refused.refusal().contains("busy: too many runs are waiting (1 of 1 in use); try again"),
        "{}",
        refused.text()
    );
    // The control: once there is room the same call runs.
    for pending in [&second, &first] {
        server.client.notify("notifications/cancelled", json!({"requestId": pending.id()}));
    }
    server.wait_for_health("room", |health| health["runs_active"] == 0 && health["runs_queued"] == 0);
    server.assert_usable();
}

#[test]
fn there_are_never_more_workers_than_configured() {
    let _alone = alone();
    for most in [1, 2] {
        let server = Server::with().flag(format!("--workers={most}")).flag("--runs=32").start();
        let mut pending: Vec<_> =
            (0..32).map(|_| server.begin_execute("import time\ntime.sleep(0.5)", json!({}))).collect();
        let mut seen = 0;
        while pending.iter_mut().any(tests::Pending::is_open) {
            seen = server.workers().len().max(seen);
        }
        assert_eq!(seen, most);
        for pending in pending {
            pending.wait().assert_status("exited 0");
        }
    }
}
