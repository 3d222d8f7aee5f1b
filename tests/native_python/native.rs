//! One program in a native interpreter.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tests::Program;

const DRIVER: &str = include_str!("driver.py");
/// How long a program is waited for: none computes for seconds, and one that takes this
/// long waits for nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A native Python 3.13.
pub(crate) struct Interpreter {
    program: PathBuf,
}

/// What a program did.
pub(crate) struct Outcome {
    /// As [`tests::Reply::status`], or `never ends`.
    pub(crate) status: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Representation of the last expression.
    pub(crate) result: String,
    /// Name and text of the exception that ended it.
    pub(crate) error: String,
    pub(crate) error_value: String,
    /// Names of the files it left, in the order of the sandbox.
    pub(crate) wrote: Vec<String>,
}

impl Interpreter {
    pub(crate) fn new(name: &str) -> Self {
        let check = "import sys; sys.exit(sys.version_info[:2] != (3, 13))";
        let good = Command::new(name).args(["-S", "-s", "-c", check]).status().expect("the interpreter can be started");
        assert!(good.success(), "{name} is no Python 3.13");
        // Programs run in other directories, so a relative path would not do.
        let path = Path::new(name);
        let program = if path.components().count() > 1 { path.canonicalize().expect("it exists") } else { path.into() };
        Self { program }
    }

    /// Starts the interpreter, for root without the right to pass over modes of
    /// files, which programs of the sandbox do not have either.
    fn command(&self) -> Command {
        if !nix::unistd::geteuid().is_root() {
            return Command::new(&self.program);
        }
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search").arg(&self.program);
        command
    }

    pub(crate) fn run(&self, program: &Program) -> Outcome {
        let place = tempfile::tempdir().expect("a directory can be made");
        let workspace = place.path().join("workspace");
        fs::create_dir(&workspace).expect("a directory can be made");
        let given = put_files(&workspace, program);
        let path = |name: &str| place.path().join(name);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        fs::create_dir(path("tmp")).expect("a directory can be made");
        fs::write(path("driver.py"), DRIVER).expect("a file can be written");
        fs::write(path("program.py"), &program.code).expect("a file can be written");
        let stdin = program.arguments.get("stdin").map(text).unwrap_or_default();

        let mut command = self.command();
        command.args(["-S", "-s", "-B", "-X", "utf8"]);
        command.args([path("driver.py"), path("program.py"), path("report")]);
        if let Some(arguments) = program.arguments.get("args").and_then(Value::as_array) {
            command.args(arguments.iter().map(text));
        }
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &workspace).env("TMPDIR", path("tmp"));
        if let Some(environment) = program.arguments.get("env").and_then(Value::as_object) {
            command.envs(environment.iter().map(|(name, value)| (name, text(value))));
        }
        let child = command
            .current_dir(&workspace)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the interpreter can be started");
        let (status, stdout, stderr) = finish(child, &stdin);
        let status = status.map_or("never ends".to_owned(), |status| match status.code() {
            Some(code) => format!("exited {code}"),
            None => status.to_string(),
        });

        let here = workspace.to_string_lossy().into_owned();
        let temporary = path("tmp").to_string_lossy().into_owned();
        let as_inside = |text: &str| {
            let text = text.replace(&here, "/workspace").replace(&temporary, "/tmp");
            text.replace("File \"/workspace/main.py\", line", "File \"<cell 1>\", line")
        };
        let output = |bytes: &[u8]| as_inside(&String::from_utf8_lossy(bytes));
        let report: Value = match fs::read_to_string(path("report")) {
            Ok(report) => serde_json::from_str(&report).expect("the driver writes JSON"),
            Err(_) => Value::Null,
        };
        let reported = |field: &str| as_inside(&text(&report[field]));
        let mut wrote = files_below(&path("tmp"), "/tmp/", &given);
        wrote.extend(files_below(&workspace, "", &given));
        Outcome {
            status,
            stdout: output(&stdout),
            stderr: output(&stderr),
            result: reported("result"),
            error: reported("error"),
            error_value: reported("value"),
            wrote,
        }
    }
}

impl Outcome {
    /// What is not as the header of `program` expects.
    pub(crate) fn complaints(&self, program: &Program) -> Vec<String> {
        let actual = |field: &str| match field {
            "stdout" => Some(&self.stdout),
            "stderr" => Some(&self.stderr),
            "result" => Some(&self.result),
            "name" => Some(&self.error),
            "value" => Some(&self.error_value),
            // Tracebacks are our own, shorter than Python's.
            _ => None,
        };
        let mut complaints = Vec::new();
        let mut complain = |what: &str, expected: &str, actual: &str| {
            complaints.push(format!("{what}\n  expected {expected:?}\n  got      {actual:?}"));
        };
        if self.status != program.status {
            complain("status", &program.status, &self.status);
        }
        for (field, expected) in &program.exact {
            if let Some(actual) = actual(field).filter(|actual| *actual != expected) {
                complain(field, expected, actual);
            }
        }
        for (field, part) in &program.parts {
            if let Some(actual) = actual(field).filter(|actual| !actual.contains(part)) {
                complain(&format!("part of {field}"), part, actual);
            }
        }
        if self.wrote != program.wrote {
            complain("files", &program.wrote.join(" "), &self.wrote.join(" "));
        }
        complaints
    }
}

/// Waits for `child`, which gets `stdin`; gives how it ended and what it wrote.
fn finish(mut child: Child, stdin: &str) -> (Option<ExitStatus>, Vec<u8>, Vec<u8>) {
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A program need not read its input.
        scope.spawn(move || input.expect("it is a pipe").write_all(stdin.as_bytes()));
        let stdout = scope.spawn(move || read(stdout.expect("it is a pipe")));
        let stderr = scope.spawn(move || read(stderr.expect("it is a pipe")));
        let status = wait(child);
        let output = |reader: thread::ScopedJoinHandle<'_, Vec<u8>>| reader.join().expect("output can be read");
        (status, output(stdout), output(stderr))
    })
}

fn read(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe can be read");
    bytes
}

/// Waits for `child`, and ends it and its children when it takes too long.
fn wait(mut child: Child) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if started.elapsed() > PATIENCE {
            let group = Pid::from_raw(child.id().cast_signed());
            killpg(group, Signal::SIGKILL).expect("a child can be ended");
            child.wait().expect("a child can be waited for");
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn put_files(workspace: &Path, program: &Program) -> BTreeSet<PathBuf> {
    let files = program.arguments.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let put = |file: &Value| {
        let path = workspace.join(file["path"].as_str().unwrap_or_default());
        let folder = path.parent().expect("a file has a folder");
        fs::create_dir_all(folder).expect("a directory can be made");
        fs::write(&path, file["text"].as_str().unwrap_or_default()).expect("a file can be written");
        path
    };
    files.iter().map(put).collect()
}

/// Files below `folder`, which is seen as `inside`, but for `given` ones, by
/// path component.
fn files_below(folder: &Path, inside: &str, given: &BTreeSet<PathBuf>) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(place) = folders.pop() {
        for entry in fs::read_dir(place).expect("a folder can be read").flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if !given.contains(&path) {
                found.insert(path);
            }
        }
    }
    let name = |path: &PathBuf| path.strip_prefix(folder).map(|path| format!("{inside}{}", path.to_string_lossy()));
    found.iter().filter_map(|path| name(path).ok()).collect()
}
