//! What clients are told while a run goes on.

use serde_json::Value;
use tests::{Pending, Reply, Server};

/// The notifications about a request, once it was answered: those that came
/// before the answer, which must be all.
pub(crate) fn told(server: &Server, pending: Pending) -> (Vec<Value>, Reply) {
    let token = pending.id();
    let reply = pending.wait();
    // A notification that came after the answer would be here by now.
    server.client.request("ping", serde_json::json!({})).wait();
    let of_run = |message: &Value| message["params"]["progressToken"] == token;
    let told: Vec<_> = server.client.notifications().into_iter().filter(of_run).collect();
    let numbers: Vec<_> = told.iter().map(|message| message["params"]["progress"].as_f64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "they must grow: {numbers:?}");
    (told.into_iter().map(|mut message| message["params"].take()).collect(), reply)
}

/// Messages, each with the fraction that is done.
pub(crate) fn steps(told: &[Value]) -> Vec<(&str, Option<f64>)> {
    let fraction = |told: &Value| Some(told["progress"].as_f64()? / told["total"].as_f64()?);
    let rounded = |fraction: f64| (fraction * 1000.0).round() / 1000.0;
    told.iter().map(|told| (told["message"].as_str().unwrap(), fraction(told).map(rounded))).collect()
}
