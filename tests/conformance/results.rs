//! What came of a run: each check of each scenario.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// One check.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) scenario: String,
    pub(crate) id: String,
    /// The word of the suite.
    pub(crate) status: String,
    /// Why the check has not passed, where it has not.
    pub(crate) reason: String,
}

impl Check {
    /// Whether the check has passed. What is only advised, and what could not be tried, has not.
    pub(crate) fn has_passed(&self) -> bool {
        ["SUCCESS", "INFO"].contains(&self.status.as_str())
    }
}

/// All checks.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) checks: Vec<Check>,
}

impl Results {
    /// The checks in a folder that the suite wrote, which must be of every scenario
    /// that is `required`.
    pub(crate) fn read(folder: &Path, required: &str) -> Result<Self, String> {
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut checks = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let scenario = scenario(&name).ok_or_else(|| format!("{name} is no folder of a scenario"))?;
            let text =
                fs::read_to_string(entry.path().join("checks.json")).map_err(|error| format!("{name}: {error}"))?;
            let listed: Vec<Value> = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
            let word = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
            checks.extend(listed.iter().map(|check| Check {
                scenario: scenario.to_owned(),
                id: word(check, "id"),
                status: word(check, "status"),
                reason: word(check, "errorMessage"),
            }));
        }
        let results = Self { checks };
        let was_run: BTreeSet<_> = results.scenarios().collect();
        let missing: Vec<_> = of_servers(required).filter(|scenario| !was_run.contains(scenario)).collect();
        if missing.is_empty() { Ok(results) } else { Err(format!("these were not run: {}", missing.join(", "))) }
    }

    /// The scenarios that checked anything.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().map(|check| check.scenario.as_str()).collect::<BTreeSet<_>>().into_iter()
    }
}

/// The scenario of a folder: `server-`, its name, and the time in 25 letters.
fn scenario(folder: &str) -> Option<&str> {
    const TIME: usize = "-2026-11-27T12-51-03-094Z".len();
    let rest = folder.strip_prefix("server-")?;
    rest.get(..rest.len().checked_sub(TIME)?)
}

/// The scenarios that servers are required to pass: the list `server` of a file that
/// has lists alone.
fn of_servers(required: &str) -> impl Iterator<Item = &str> {
    let lines = required.lines().skip_while(|line| *line != "server:").skip(1);
    lines.map_while(|line| line.strip_prefix("  - "))
}

#[cfg(test)]
mod checked {
    use super::*;

    #[test]
    fn folders_and_requirements_are_understood() {
        assert_eq!(scenario("server-tools-list-2026-11-27T12-51-03-094Z"), Some("tools-list"));
        assert_eq!(scenario("server-server-stateless-2026-11-27T12-51-03-094Z"), Some("server-stateless"));
        assert_eq!(scenario("client-x"), None);
        let required = "# words\nserver:\n  - ping\n  - caching\n\nclient:\n  - other\n";
        assert_eq!(of_servers(required).collect::<Vec<_>>(), ["ping", "caching"]);
    }
}
