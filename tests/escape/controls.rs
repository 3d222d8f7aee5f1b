//! The table of attempts, and what they do without the sandbox.

use std::collections::HashMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::place::PYTHON;
use crate::victim::Victim;

/// Somebody else than the user of servers that run at the same time: some
/// attempts disturb all processes of a user.
const CONTROL_USER: u32 = 64243;

const SOURCES: [&str; 9] = [
    include_str!("attacks/attempt.py"),
    include_str!("attacks/files.py"),
    include_str!("attacks/processes.py"),
    include_str!("attacks/network.py"),
    include_str!("attacks/signals.py"),
    include_str!("attacks/namespaces.py"),
    include_str!("attacks/rights.py"),
    include_str!("attacks/kernel.py"),
    include_str!("attacks/inheritance.py"),
];

/// What an attempt declares.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) name: String,
    /// What it would mean if the attempt succeeded.
    pub(crate) success: String,
    expected: Value,
    /// `user`, `root`, or why there is no control.
    pub(crate) control: String,
    /// The error of a machine that has not got what the attempt is about.
    pub(crate) control_missing: Option<String>,
    /// Why the attempt may succeed, where it may.
    pub(crate) harmless: Option<String>,
}

impl Attempt {
    /// What is to become of the attempt in a place with these names.
    pub(crate) fn expected(&self, names: &[&str]) -> &str {
        let found = names.iter().find_map(|name| self.expected[*name].as_str());
        found.unwrap_or_else(|| panic!("{} says nothing about {names:?}", self.name))
    }
}

/// What a control showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The attempt succeeds where nothing holds it.
    Works,
    /// This machine has not got what the attempt is about, and says so by this error.
    Missing(String),
    /// There is no control, and the table says why.
    None,
}

/// The whole program, for these targets.
pub(crate) fn program(target: &Value) -> String {
    // A JSON string is a string of Python, too.
    let target = json!(target.to_string());
    format!("import json\nTARGET = json.loads({target})\n{}\nmain()\n", SOURCES.join("\n"))
}

/// Every attempt, in the order in which they are made.
pub(crate) fn table() -> &'static [Attempt] {
    static TABLE: OnceLock<Vec<Attempt>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let output = Command::new(PYTHON).args(["-c", &program(&json!({"mode": "table"}))]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let declared = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
            let declared: Value = serde_json::from_slice(line).unwrap();
            Attempt {
                name: text(&declared["name"]).unwrap(),
                success: text(&declared["success"]).unwrap(),
                expected: declared["expected"].clone(),
                control: text(&declared["control"]).unwrap(),
                control_missing: text(&declared["control_missing"]),
                harmless: text(&declared["harmless"]),
            }
        });
        let table: Vec<Attempt> = declared.collect();
        let names: std::collections::HashSet<_> = table.iter().map(|attempt| &attempt.name).collect();
        assert_eq!(names.len(), table.len(), "two attempts share a name");
        table
    })
}

/// What came of attempts, from the lines that the program prints.
pub(crate) fn outcomes(output: &str) -> HashMap<String, String> {
    let outcomes: HashMap<_, _> = output
        .lines()
        .map(|line| {
            let outcome: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no outcome: {line}"));
            let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
            let detail = if text("outcome") == "broken" { format!(": {}", text("detail")) } else { String::new() };
            (text("id"), format!("{}{detail}", text("outcome")))
        })
        .collect();
    assert!(outcomes.contains_key("end"), "the program did not come to its end:\n{output}");
    outcomes
}

/// A secret that nothing else on the machine contains.
pub(crate) fn new_secret() -> String {
    let bytes = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
    format!("escape-{}", String::from_utf8_lossy(&bytes).trim())
}

/// What the attempts do without the sandbox, by name.
pub(crate) fn controls() -> &'static HashMap<String, Control> {
    static CONTROLS: OnceLock<HashMap<String, Control>> = OnceLock::new();
    CONTROLS.get_or_init(|| {
        let mut by_mode: HashMap<&str, HashMap<String, String>> = HashMap::new();
        for (mode, user) in [("user", CONTROL_USER), ("root", 0)] {
            by_mode.insert(mode, without_sandbox(mode, user));
        }
        let control = |attempt: &Attempt| {
            let Some(outcomes) = by_mode.get(attempt.control.as_str()) else {
                assert!(attempt.control.contains(' '), "{} needs a reason: {}", attempt.name, attempt.control);
                return Control::None;
            };
            match outcomes[&attempt.name].as_str() {
                "succeeded" => Control::Works,
                other if Some(other) == attempt.control_missing.as_deref() => Control::Missing(other.to_owned()),
                other => panic!("without the sandbox {} ends with {other}", attempt.name),
            }
        };
        table().iter().map(|attempt| (attempt.name.clone(), control(attempt))).collect()
    })
}

fn without_sandbox(mode: &str, user: u32) -> HashMap<String, String> {
    let secret = new_secret();
    let names: Vec<_> = table().iter().map(|attempt| attempt.name.as_str()).collect();
    let victim = Victim::start(CONTROL_USER, &secret, &names);
    let workspace = victim.directory().join("workspace");
    let sibling = victim.directory().join("sibling");
    for directory in [&workspace, &sibling] {
        std::fs::create_dir(directory).unwrap();
        chown(directory, Some(user), Some(user)).unwrap();
    }
    std::fs::write(sibling.join("secret"), &secret).unwrap();
    let program_of_root = victim.directory().join("set-user-id");
    std::fs::copy("/usr/bin/id", &program_of_root).unwrap();
    std::fs::set_permissions(&program_of_root, PermissionsExt::from_mode(0o4755)).unwrap();
    let mut target = victim.target.clone();
    let more = json!({
        "mode": mode,
        "server": victim.pid(),
        "sibling": victim.pid(),
        "sibling_workspace": sibling,
        "setuid_program": program_of_root,
    });
    target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let output = Command::new("/bin/sh")
        // A descriptor as a server that leaks would let its programs have.
        .args(["-c", "exec \"$@\" 9</etc/passwd", "sh", PYTHON, "-c"])
        .arg(program(&target))
        // The secret is an argument, as a server that leaks would let its programs have it.
        .arg(&secret)
        .env("SECRET", &secret)
        .current_dir(&workspace)
        .uid(user)
        .gid(user)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    outcomes(&String::from_utf8_lossy(&output.stdout))
}
