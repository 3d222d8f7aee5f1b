//! One client, run once.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clients::{Client, Installation};

/// The steps of the scripts, and what the table calls them.
pub(crate) const STEPS: [(&str, &str); 7] = [
    ("tools", "tools"),
    ("output", "`print('hi')`"),
    ("session", "session"),
    ("file", "file"),
    ("image", "image"),
    ("error", "error"),
    ("cancelled", "cancelled call"),
];

/// A script gives each step a minute.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What clients speak to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// The value of the field `Authorization`. Without one, clients sign in.
    pub(crate) authorization: Option<String>,
}

/// What came of a trial.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The revision of MCP that was spoken.
    pub(crate) protocol: String,
    passed: Vec<String>,
    pub(crate) problems: Vec<String>,
}

impl Trial {
    /// Runs a client.
    pub(crate) fn run(client: &Client, installation: &Installation, target: &Target) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let output = home.path().join("output");
        let file = File::create(&output).expect("a temporary file can be made");
        let mut child = installation
            .command(client)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BELLJAR_URL", &target.url)
            .envs(target.authorization.as_ref().map(|value| ("BELLJAR_AUTHORIZATION", value)))
            .envs(installation.browser())
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stderr(file.try_clone().expect("a file can be shared"))
            .stdout(file)
            .spawn()
            .expect("what was installed can be started");
        let started = Instant::now();
        while child.try_wait().expect("a child can be waited for").is_none() {
            if started.elapsed() > PATIENCE {
                child.kill().expect("a child that was not waited for can be killed");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = std::fs::read_to_string(output).expect("it was just written");
        Self::read(&said, target.authorization.is_none())
    }

    fn read(said: &str, signs_in: bool) -> Self {
        let mut trial = Self { protocol: "not seen".to_owned(), passed: Vec::new(), problems: Vec::new() };
        let mut other = Vec::new();
        for line in said.lines() {
            let Ok(report) = serde_json::from_str::<Value>(line) else {
                other.push(line);
                continue;
            };
            let step = report["step"].as_str().unwrap_or_default().to_owned();
            match (report["protocol"].as_str(), report["problem"].as_str()) {
                (Some(protocol), _) => protocol.clone_into(&mut trial.protocol),
                (None, Some(problem)) => trial.problems.push(format!("{step}: {problem}")),
                (None, None) => trial.passed.push(step),
            }
        }
        if trial.passed.len() < STEPS.len() && trial.problems.is_empty() || !other.is_empty() && !signs_in {
            // What else it says is for people, and would be said to every user; of where they
            // are to sign in it must tell them.
            trial.problems.push(format!("it said: {}", other.join("\n")));
        }
        trial
    }

    /// Whether a step came to a good end.
    pub(crate) fn has_passed(&self, step: &str) -> bool {
        self.passed.iter().any(|passed| passed == step)
    }
}
