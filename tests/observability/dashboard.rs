//! The dashboard: it is JSON, and asks for nothing that there is not.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::Server;

use crate::metrics::Collected;

/// Every query in the dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(query) if ["expr", "query"].contains(&name.as_str()) => found.push(query.to_owned()),
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// The words in a query that are names of metrics.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("belljar_") || word.starts_with("process_"))
}

#[test]
fn the_dashboard_shows_every_metric_and_none_that_there_is_not() {
    let text = include_str!("../../deploy/grafana/belljar.json");
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let mut asked = Vec::new();
    queries(&dashboard, &mut asked);
    let shown: BTreeSet<_> = asked
        .iter()
        .flat_map(|query| names(query))
        .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name))
        .collect();
    let collected = Collected::start(Server::with());
    let text = collected.text();
    let told: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let invented: Vec<_> = shown.difference(&told).collect();
    assert!(invented.is_empty(), "{invented:?}");
    // These metrics are such that nobody looks at on a dashboard.
    let aside = ["process_start_time_seconds", "process_virtual_memory_bytes"];
    let unseen: Vec<_> = told.difference(&shown).filter(|name| !aside.contains(name)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "panels have ids of their own");
}
