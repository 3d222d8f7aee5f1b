//! The build that has the fixtures, and who has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const FIXTURES: &str = include_str!("../../server/src/conformance/fixtures.json");

/// Where the binary with the fixtures lies once it is built.
pub(crate) fn binary() -> PathBuf {
    tests::target_directory().join("release/belljar-conformance")
}

/// Builds the binary with the fixtures, and returns its path.
pub(crate) fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    // The whole workspace is built, so that dependencies have the features that they have
    // in every other build, and without optimisation, as nobody asks how fast it is.
    cargo.args(["build", "--release", "--workspace", "--locked", "--features", "belljar/conformance"]);
    cargo.args(["--bin", "belljar-conformance", "--config", "profile.release.package.belljar.opt-level=0"]);
    assert!(cargo.current_dir(root).status().expect("cargo can be started").success(), "it cannot be built");
    binary()
}

/// Panics unless a binary has all of the fixtures, or none.
pub(crate) fn check(binary: &Path, must_have: bool) {
    let bytes = std::fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let bytes = String::from_utf8_lossy(&bytes);
    let fixtures: Value = serde_json::from_str(FIXTURES).expect("the fixtures are JSON");
    let names = [("tools", "name"), ("prompts", "name"), ("resources", "uri"), ("templates", "uriTemplate")];
    for (list, key) in names {
        for fixture in fixtures[list].as_array().expect("fixtures are in lists") {
            let name = fixture[key].as_str().expect("each has a name");
            assert_eq!(bytes.contains(name), must_have, "{} and {name}", binary.display());
        }
    }
}

#[cfg(test)]
mod checked {
    #[test]
    fn the_binary_that_is_shipped_has_none_of_the_fixtures() {
        super::check(&tests::binary(), false);
    }
}
