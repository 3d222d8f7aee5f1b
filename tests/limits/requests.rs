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

#[test]
fn file_variables_and_flags_are_merged_key_by_key() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("belljar.toml");
    std::fs::write(&file, "[ceilings]\nwall_time_ms = 1000\nfuel = 3000000000000\nopen_files = 100\n").unwrap();
    let server = Server::with()
        .env("BELLJAR_CONFIG", &file)
        .env("BELLJAR_CEILINGS", "wall_time_ms=2000,fuel=4000000000000")
        .env("BELLJAR_LIMITS", "wall_time_ms=900,output_bytes=300")
        .flag("--ceiling=wall_time_ms=3000")
        .flag("--limit=wall_time_ms=2900")
        .start();
    let run = |limits: Value| server.execute_with("print(1)", json!({"limits": limits}));
    for (name, value, bound) in [
        ("wall_time_ms", 3001_u64, "between 10 and 3000, got 3001"),
        ("fuel", 4_000_000_000_001, "between 10000000 and 4000000000000,"),
        ("open_files", 101, "between 0 and 100, got 101"),
    ] {
        assert!(run(json!({name: value})).refusal().contains(bound), "{}", run(json!({name: value})).text());
    }
    // A default that was merged is told by what ends.
    let slept = server.execute("import time\ntime.sleep(1)\nprint('slept')");
    assert_eq!(slept.output(), "slept\n", "the variable's 900 ms gave way to the flag's 2900 ms");
    let cut = server.execute("print('x' * 2000)").output().len();
    assert!((300..600).contains(&cut), "output_bytes of the variable stayed: {cut}");
}

/// The variables that the help names.
fn variables() -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let help = Server::with().flag("--help").command(home.path()).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names = help.split("[env: ").skip(1).filter_map(|rest| Some(rest.split_once('=')?.0.to_owned()));
    names.collect()
}

#[test]
fn an_empty_variable_is_as_none_and_a_wrong_one_is_named_with_what_it_wants() {
    let names = variables();
    assert!(names.len() > 15, "{names:?}");
    let mut empty = Server::with();
    for name in names.iter().filter(|name| !name.ends_with("_DIRECTORY")) {
        empty = empty.env(name, "");
    }
    empty.start().client.request("ping", json!({})).wait().result();

    let home = tempfile::tempdir().unwrap();
    for (name, value, wanted) in [
        ("BELLJAR_DETERMINISTIC", "maybe", "true, false"),
        ("BELLJAR_STRUCTURED_CONTENT", "1", "true, false"),
        ("BELLJAR_RUNS", "many", "N (Runs at once"),
        ("BELLJAR_CEILINGS", "wall=1", "unknown limit `wall`, expected one of wall_time_ms"),
        ("BELLJAR_NATIVE_TIER", "weak", "container, namespaced, isolated, off"),
        ("BELLJAR_NATIVE_PROGRAMS", "bash", "LANGUAGE=PATH"),
    ] {
        let refused = Server::with().env(name, value).command(home.path()).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(&format!("the variable {name} is \"{value}\"")) && said.contains(wanted), "{said}");
        assert_eq!(refused.status.code(), Some(2), "{said}");
    }
}
