//! The suite as npm installs it, in a folder of the target directory, and a run of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::results::Results;

const PACKAGE: &str = include_str!("package.json");
/// The version of each package, with its digest.
const LOCK: &str = include_str!("package-lock.json");

/// An installation.
pub(crate) struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Installs what the lock file says, if it is not there, from the registry that
    /// npm is configured for.
    pub(crate) fn install() -> Result<Self, String> {
        tests::installed::npm("conformance", PACKAGE, LOCK).map(|folder| Self { folder })
    }

    fn package(&self) -> PathBuf {
        self.folder.join("node_modules/@modelcontextprotocol/conformance")
    }

    /// Runs what a revision requires against a server.
    pub(crate) fn run(&self, url: &str, token: &str, revision: &str, name: &str) -> Result<Results, String> {
        let results = self.folder.join(format!("{name}-{revision}"));
        // Results are not there before the first time.
        let _ = fs::remove_dir_all(&results);
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/authorize.mjs");
        let output = Command::new(tests::installed::node(&self.folder))
            .arg("--import")
            .arg(program)
            .arg(self.package().join("dist/index.js"))
            .args(["server", "--url", url, "--requirements", revision, "--output-dir"])
            .arg(&results)
            .env("BELLJAR_TOKEN", token)
            .output()
            .map_err(|error| format!("the suite cannot be started: {error}"))?;
        fs::write(results.with_extension("log"), said(&output)).expect("a file of the target directory can be written");
        let required = self.package().join(format!("requirements/{revision}.yaml"));
        let required = fs::read_to_string(required).expect("the suite has the requirements of the revision");
        Results::read(&results, &required)
            .map_err(|reason| format!("{reason}; the suite ended with {}\n{}", output.status, said(&output)))
    }
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
