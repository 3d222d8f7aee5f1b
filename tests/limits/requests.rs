//! Limits as callers and operators ask for them.

use serde_json::{Value, json};
use tests::Server;

#[test]
fn a_limit_out_of_range_is_refused_with_field_bound_and_value() {
    let server = Server::start();
    for (name, minimum, ceiling) in [
        ("wall_time_ms", 10, 300_000),
        ("cpu_time_ms", 10, 300_000),
        ("fuel", 10_000_000, 10_000_000_000_000_u64),
        ("memory_bytes", 64 << 20, 1 << 30),
        ("output_bytes", 256, 256 << 10),
        ("disk_bytes", 0, 1 << 30),
        ("disk_files", 0, 100_000),
        ("open_files", 0, 512),
        ("processes", 1, 256),
    ] {
        let run = |value: u64| server.execute_with("print(1)", json!({"limits": {name: value}}));
        let bounds = format!("limits.{name} must be between {minimum} and {ceiling}");
        let over = run(ceiling + 1);
        assert!(over.refusal().contains(&format!("{bounds}, got {}", ceiling + 1)), "{}", over.text());
        if minimum > 0 {
            let under = run(minimum - 1);
            assert!(under.refusal().contains(&format!("{bounds}, got {}", minimum - 1)), "{}", under.text());
        }
        let exact = run(ceiling);
        assert_eq!(exact.output(), "1\n", "{name}");
        assert_eq!(exact.structured()["limits"][name], ceiling);
    }
}

#[test]
fn a_limit_that_is_no_number_or_has_no_such_name_is_refused() {
    let server = Server::start();
    let run = |limits: Value| server.execute_with("print(1)", json!({"limits": limits}));
    for limits in [json!({"wall_time_ms": -1}), json!({"wall_time_ms": 1.5}), json!({"wall_time_ms": "1000"})] {
        assert!(run(limits.clone()).refusal().contains("must be a whole number of at least 0"), "{limits}");
    }
    assert!(run(json!([])).refusal().contains("limits must be an object, got an array of 0"));
    let unknown = run(json!({"timeout": 5}));
    assert!(unknown.refusal().contains("limits.timeout is no field here; use `wall_time_ms`"), "{}", unknown.text());
    assert_eq!(run(json!({"wall_time_ms": null})).output(), "1\n");
}

#[test]
fn defaults_and_ceilings_of_the_operator_hold() {
    let server = Server::with()
        .flag("--limit=wall_time_ms=700")
        .env("BELLJAR_CEILINGS", "wall_time_ms=2000,fuel=5000000000000")
        .start();
    let run =
        |limits: Value| server.execute_with("import time\ntime.sleep(1)\nprint('slept')", json!({"limits": limits}));
    run(json!({})).assert_status("limit_exceeded wall_time_ms");
    assert_eq!(run(json!({"wall_time_ms": 2000})).output(), "slept\n");
    assert!(run(json!({"wall_time_ms": 2001})).refusal().contains("between 10 and 2000, got 2001"));
}
