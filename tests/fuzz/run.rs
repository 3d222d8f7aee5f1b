//! One run of the engine, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::CONTROL;

/// Which target, and where its seeds go; the engine reads both.
const TARGET: &str = "BELLJAR_FUZZ_TARGET";
const SEEDS: &str = "BELLJAR_FUZZ_SEEDS";

/// The longest input: past what changes anything, and short enough for speed.
const MAX_INPUT_BYTES: usize = 16 << 10;
/// How long one input may take.
const INPUT_SECONDS: u64 = 10;
/// How much memory the whole engine may take.
const MEBIBYTES: u64 = 1024;

pub(crate) struct Engine {
    program: PathBuf,
    /// The place where interesting inputs are kept for the next time.
    place: PathBuf,
}

/// What came of a target.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    /// Inputs that were tried, edges reached, inputs kept, memory.
    pub(crate) figures: [String; 4],
}

pub(crate) enum Ending {
    Nothing,
    Found { what: String, input: String },
}

impl Engine {
    pub(crate) fn new(program: PathBuf, place: PathBuf) -> Self {
        Self { program, place }
    }

    /// The names of all targets.
    pub(crate) fn targets(&self) -> Vec<String> {
        let file = self.place.join("targets");
        let status = Command::new(&self.program).env(TARGET, "list").env(SEEDS, &file).status();
        assert!(status.expect("it was just built").success(), "the engine does not say what it has");
        fs::read_to_string(file).expect("it was just written").lines().map(str::to_owned).collect()
    }

    /// Gives one input to a target. Returns whether it is taken well.
    pub(crate) fn repeat(&self, target: &str, input: &[u8]) -> bool {
        let file = self.place.join("repeated");
        fs::write(&file, input).expect("a file can be written");
        let status = Command::new(&self.program).env(TARGET, target).arg(file).status();
        status.expect("it was just built").success()
    }

    /// Fuzzes a target, from its seeds and from what earlier runs kept.
    pub(crate) fn fuzz(&self, target: &str, seconds: u64) -> Ended {
        let corpus = self.place.join("corpus").join(target);
        let log = self.place.join(format!("{target}.log"));
        let found = self.place.join(format!("{target}-found"));
        if target.starts_with(CONTROL) {
            // An input of a control is to be found anew, not to be remembered.
            let _ = fs::remove_dir_all(&corpus);
        }
        fs::create_dir_all(&corpus).expect("a directory can be made");
        let _ = fs::remove_file(&found);
        let output = fs::File::create(&log).expect("a file can be made");
        let status = Command::new(&self.program)
            .env(TARGET, target)
            .env(SEEDS, &corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={MEBIBYTES}"))
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .arg(format!("-exact_artifact_path={}", found.display()))
            .args(["-print_final_stats=1", "-reload=0"])
            .arg(&corpus)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor can be had twice"))
            .stderr(output)
            .status()
            .expect("it was just built");
        let said = String::from_utf8_lossy(&fs::read(&log).expect("it was just written")).into_owned();
        let figures = [
            after(&said, "stat::number_of_executed_units: ").to_owned(),
            after(&said, "cov: ").to_owned(),
            after(&said, "corp: ").split('/').next().unwrap_or_default().to_owned(),
            after(&said, "stat::peak_rss_mb: ").trim().to_owned(),
        ];
        let ending = if status.success() { Ending::Nothing } else { found_by(&said, &found, &log) };
        Ended { ending, figures }
    }
}

/// The word after the last `name`.
fn after<'a>(said: &'a str, name: &str) -> &'a str {
    said.rsplit_once(name).and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("-")
}

fn found_by(said: &str, found: &Path, log: &Path) -> Ending {
    let reason = said.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    let by_libfuzzer = || said.lines().find(|line| line.contains("ERROR: libFuzzer"));
    let reason = reason.or_else(by_libfuzzer).unwrap_or("it ended").chars().take(300).collect::<String>();
    // A seed that is refused is in the corpus already, and no input of its own.
    let input = fs::read(found).map(|input| STANDARD.encode(input)).unwrap_or_default();
    Ending::Found { what: format!("{reason}; {}", log.display()), input }
}
