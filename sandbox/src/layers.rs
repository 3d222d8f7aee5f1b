//! Each file uses only what stands above it in the table of `README.md`, or beside it.

#![expect(clippy::disallowed_methods, reason = "reads its own source")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../README.md");

/// By folder or file beside this one, the row of the table that it stands in.
fn rows() -> HashMap<String, usize> {
    let rows = README.lines().skip_while(|line| !line.starts_with("| where |")).take_while(|line| !line.is_empty());
    let mut found = HashMap::new();
    for (row, line) in rows.enumerate() {
        let cell = line.split('|').nth(1).unwrap_or_default();
        // A name in brackets is a link, to a crate of its own.
        let names = cell.split('`').skip(1).step_by(2).filter(|_| !cell.contains('['));
        found.extend(names.map(|name| (name.trim_end_matches('/').trim_end_matches(".rs").to_owned(), row)));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "fuzzing.rs");
    files.filter(|path| !is_test(path)).collect()
}

/// What a file names of this crate, outside of its tests.
fn used(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.split("crate::").skip(1).filter_map(|rest| rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next())
}

/// `FILE uses NAME` of what `files` use from below.
fn from_below<'a>(rows: &HashMap<String, usize>, files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let own = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let Some(row) = rows.get(own) else {
            assert!(["lib", "fuzzing", "layers"].contains(&own), "{path} is in no row of README.md");
            continue;
        };
        let below = used(text).filter(|name| rows.get(*name).is_some_and(|theirs| theirs > row));
        found.extend(below.map(|name| format!("{path} uses {name}")));
    }
    found
}

#[test]
fn each_file_uses_only_what_stands_above_it() {
    let (rows, source) = (rows(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let texts: Vec<_> = files(&source)
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(rows.len() > 15 && texts.len() > 100, "{} rows, {} files", rows.len(), texts.len());
    let all = || texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    assert_eq!(from_below(&rows, all()), [] as [&str; 0]);
    // The control.
    let upwards = "use crate::session::Turn;\n#[cfg(test)]\nmod tests { use crate::executor::Executor; }";
    assert_eq!(from_below(&rows, [("wasm/slot.rs", upwards)].into_iter()), ["wasm/slot.rs uses session"]);
}
