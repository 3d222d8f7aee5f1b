//! What is known not to pass, with the reason.

use serde_json::Value;

use crate::results::{Check, Results};

/// The file of what is known not to pass.
#[derive(Debug)]
pub(crate) struct Baseline(Vec<Known>);

/// Checks that do not pass for one reason.
#[derive(Debug)]
struct Known {
    server: String,
    revisions: Vec<String>,
    /// Scenarios, or single checks of one: `scenario:check`.
    checks: Vec<String>,
}

/// What comes of holding results against the baseline.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Checks that do not pass, as the baseline says.
    pub(crate) expected: usize,
    pub(crate) complaints: Vec<String>,
}

impl Baseline {
    /// The baseline of this program.
    pub(crate) fn read() -> Self {
        let text = include_str!("baseline.json");
        let entries: Vec<Value> = serde_json::from_str(text).expect("the baseline is a list in JSON");
        Self(entries.iter().map(known).collect())
    }

    /// Holds results against the baseline.
    pub(crate) fn judge(&self, server: &str, revision: &str, results: &Results) -> Verdict {
        let is_meant = |known: &&Known| known.server == server && known.revisions.iter().any(|one| one == revision);
        let names: Vec<_> = self.0.iter().filter(is_meant).flat_map(|known| &known.checks).collect();
        let mut verdict = Verdict::default();
        for check in results.checks.iter().filter(|check| !check.has_passed()) {
            if names.iter().any(|name| is_of(name, check)) {
                verdict.expected += 1;
                continue;
            }
            let Check { scenario, id, status, reason } = check;
            verdict.complaints.push(format!("{server} {revision}: {scenario}:{id} {status} {reason}"));
        }
        for name in names {
            if !results.checks.iter().any(|check| is_of(name, check) && !check.has_passed()) {
                let reason = "passes, or is not there: take it out of the baseline";
                verdict.complaints.push(format!("{server} {revision}: {name} {reason}"));
            }
        }
        verdict
    }
}

fn known(entry: &Value) -> Known {
    let words = |key: &str| -> Vec<String> {
        let list = entry[key].as_array().unwrap_or_else(|| panic!("{key} is no list: {entry}"));
        list.iter().map(|word| word.as_str().expect("it is a list of words").to_owned()).collect()
    };
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    assert!(text("reason").is_some(), "why does it not pass? {entry}");
    Known {
        server: text("server").expect("it says which server"),
        revisions: words("revisions"),
        checks: words("checks"),
    }
}

fn is_of(name: &str, check: &Check) -> bool {
    match name.split_once(':') {
        Some((scenario, id)) => scenario == check.scenario && id == check.id,
        None => name == check.scenario,
    }
}

#[cfg(test)]
mod checked {
    use super::*;

    fn check(scenario: &str, id: &str, status: &str) -> Check {
        Check { scenario: scenario.to_owned(), id: id.to_owned(), status: status.to_owned(), reason: String::new() }
    }

    #[test]
    fn what_fails_without_being_known_and_what_passes_although_it_is_are_both_told() {
        let entry = serde_json::json!({
            "server": "shipped", "revisions": ["r"], "reason": "none", "checks": ["a", "b:one", "c"],
        });
        let baseline = Baseline(vec![known(&entry)]);
        let checks = vec![
            check("a", "any", "FAILURE"),
            check("b", "one", "SKIPPED"),
            check("b", "two", "WARNING"),
            check("c", "any", "SUCCESS"),
        ];
        let results = Results { checks };
        let verdict = baseline.judge("shipped", "r", &results);
        assert_eq!(verdict.expected, 2);
        let [unknown, stale] = &verdict.complaints[..] else { panic!("{verdict:?}") };
        assert!(unknown.contains("b:two WARNING") && stale.contains("c passes"), "{verdict:?}");
        // Another server has nothing to do with this entry.
        assert_eq!(baseline.judge("fixtures", "r", &results).complaints.len(), 3);
    }

    #[test]
    fn the_file_gives_a_reason_for_everything() {
        assert!(!Baseline::read().0.is_empty());
    }
}
