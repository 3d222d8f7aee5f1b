//! Runs every file of `tests/programs`: real programs, with what is expected
//! of them in their first lines.
//!
//! A header is comment lines: a sentence, then `key: value` lines. What a key
//! does not say is expected to be empty, and the program to exit with 0.
//!
//! | key | value |
//! | --- | --- |
//! | `status` | as [`Reply::status`], such as `exited 3` |
//! | `stdout`, `stderr` | lines that start with `\|`, on the lines below |
//! | `stdout has`, `stderr has` | a part of it; may be repeated |
//! | `result` | representation of the last expression |
//! | `error` | name of the exception |
//! | `error has`, `traceback has` | a part of it; may be repeated |
//! | `traceback lacks` | what must not be in it; may be repeated |
//! | `wrote` | names of the files in the result, in order |
//! | `output has` | a MIME type and, after it, a part of the data |
//! | `args`, `env` | JSON |
//! | `stdin` | JSON text, or lines as for `stdout` |
//! | `file <name>` | an input file; JSON text, or lines as for `stdout` |

use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Map, Value, json};
use tests::{Reply, Server};

/// Fewer would mean that files got lost.
const FEWEST_PROGRAMS: usize = 60;
/// Programs that run at the same time.
const THREADS: usize = 4;

#[derive(Debug, Default)]
struct Program {
    name: String,
    code: String,
    arguments: Map<String, Value>,
    status: String,
    exact: Vec<(&'static str, String)>,
    parts: Vec<(&'static str, String)>,
    absent: Vec<String>,
    wrote: Vec<String>,
    outputs: Vec<(String, String)>,
}

/// A value in a header, and the block below it.
struct Entry {
    key: String,
    value: String,
    block: Option<String>,
}

impl Entry {
    /// The value as text: the block, or JSON on the line itself.
    fn text(&self) -> Result<String, String> {
        match &self.block {
            Some(block) if self.value.is_empty() => Ok(block.clone()),
            Some(_) => Err(format!("`{}` has both a value and a block", self.key)),
            None => serde_json::from_str(&self.value).map_err(|error| format!("`{}`: {error}", self.key)),
        }
    }

    fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.value).map_err(|error| format!("`{}`: {error}", self.key))
    }
}

fn entries(code: &str) -> Result<Vec<Entry>, String> {
    let mut lines = code.lines().map_while(|line| line.strip_prefix('#'));
    let title = lines.next().map(str::trim).unwrap_or_default();
    if !title.ends_with('.') {
        return Err("the first line must be a comment with a sentence".into());
    }
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        if let Some(text) = line.strip_prefix(" |") {
            let entry = entries.last_mut().ok_or("a block stands below no key")?;
            let block = entry.block.get_or_insert_default();
            block.push_str(text);
            block.push('\n');
        } else {
            let (key, value) = line.split_once(':').ok_or_else(|| format!("expected `key: value`, got {line:?}"))?;
            entries.push(Entry { key: key.trim().into(), value: value.trim().into(), block: None });
        }
    }
    Ok(entries)
}

impl Program {
    fn parse(name: String, code: String) -> Result<Self, String> {
        let mut program = Self { name, status: "exited 0".into(), ..Self::default() };
        let mut texts = [("stdout", Some(String::new())), ("stderr", Some(String::new()))];
        let mut files = Vec::new();
        let mut result = String::new();
        let mut error = String::new();
        for entry in entries(&code)? {
            let value = entry.value.clone();
            match entry.key.as_str() {
                "status" => program.status = value,
                "stdout" => texts[0].1 = Some(entry.text()?),
                "stderr" => texts[1].1 = Some(entry.text()?),
                // A part says that the rest may be anything.
                "stdout has" => {
                    texts[0].1 = None;
                    program.parts.push(("stdout", value));
                }
                "stderr has" => {
                    texts[1].1 = None;
                    program.parts.push(("stderr", value));
                }
                "result" => result = value,
                "error" => error = value,
                "error has" => program.parts.push(("value", value)),
                "traceback has" => program.parts.push(("traceback", value)),
                "traceback lacks" => program.absent.push(value),
                "wrote" => program.wrote = value.split_whitespace().map(str::to_owned).collect(),
                "output has" => {
                    let (mime, part) = value.split_once(' ').ok_or("`output has` needs a MIME type and a part")?;
                    program.outputs.push((mime.into(), part.into()));
                }
                "args" | "env" => drop(program.arguments.insert(entry.key.clone(), entry.json()?)),
                "stdin" => drop(program.arguments.insert("stdin".into(), entry.text()?.into())),
                key => match key.strip_prefix("file ") {
                    Some(path) => files.push(json!({"path": path, "text": entry.text()?})),
                    None => return Err(format!("unknown key `{key}`")),
                },
            }
        }
        program.exact.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?))));
        program.exact.push(("result", result));
        program.exact.push(("name", error));
        program.arguments.insert("files".into(), files.into());
        program.code = code;
        Ok(program)
    }

    /// What is not as expected.
    fn complaints(&self, reply: &Reply) -> Vec<String> {
        let actual = |field: &str| match field {
            "stdout" => reply.stdout().to_owned(),
            "stderr" => reply.stderr().to_owned(),
            "result" => reply.value().unwrap_or("").to_owned(),
            field => reply.error(field).to_owned(),
        };
        let mut complaints = Vec::new();
        let mut complain = |what: &str, expected: &str, actual: &str| {
            complaints.push(format!("{what}\n  expected {expected:?}\n  got      {actual:?}"));
        };
        if reply.status() != self.status {
            complain("status", &self.status, &format!("{} {}", reply.status(), reply.error("traceback")));
        }
        for (field, expected) in &self.exact {
            if actual(field) != *expected {
                complain(field, expected, &actual(field));
            }
        }
        for (field, part) in &self.parts {
            if !actual(field).contains(part) {
                complain(&format!("part of {field}"), part, &actual(field));
            }
        }
        for part in &self.absent {
            if actual("traceback").contains(part) {
                complain("absence from traceback", part, &actual("traceback"));
            }
        }
        if reply.files() != self.wrote {
            complain("files", &self.wrote.join(" "), &reply.files().join(" "));
        }
        let outputs = &reply.structured()["outputs"];
        for (mime, part) in &self.outputs {
            let bundles = outputs.as_array().map(Vec::as_slice).unwrap_or_default();
            if !bundles.iter().any(|bundle| bundle[mime].as_str().is_some_and(|data| data.contains(part))) {
                complain(&format!("output of type {mime}"), part, &outputs.to_string());
            }
        }
        complaints
    }
}

fn programs() -> Vec<Program> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut programs: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(name.ends_with(".py"), "{name} is not a Python program");
            let code = std::fs::read_to_string(&path).unwrap();
            Program::parse(name.clone(), code).unwrap_or_else(|error| panic!("{name}: {error}"))
        })
        .collect();
    assert!(programs.len() >= FEWEST_PROGRAMS, "only {} programs", programs.len());
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    programs
}

/// Runs all of them, several at once, with `more` arguments.
fn run_all(server: &Server, more: &Value) {
    let programs = programs();
    let queue = Mutex::new(programs.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(program) = queue.lock().unwrap().next() else { return };
                    let mut arguments = program.arguments.clone();
                    arguments.extend(more.as_object().unwrap().clone());
                    let reply = server.execute_with(&program.code, arguments.into());
                    let complaints = program.complaints(&reply);
                    if !complaints.is_empty() {
                        failures.lock().unwrap().push(format!("{}: {}", program.name, complaints.join("\n")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} programs did something else:\n\n{}",
        failures.len(),
        programs.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_program_does_what_its_header_says_without_a_session() {
    run_all(&Server::start(), &json!({}));
}

#[test]
fn every_program_does_what_its_header_says_as_the_first_run_of_a_session() {
    let server = Server::with().flag("--sessions=256").start();
    run_all(&server, &json!({"session": "new"}));
}

#[test]
fn every_program_does_what_its_header_says_after_another_in_the_same_worker_memory() {
    // One worker and one run at a time: every run gets the instance that the
    // one before it left, reset.
    let server = Server::with().flag("--workers=1").flag("--runs=1").start();
    run_all(&server, &json!({}));
    run_all(&server, &json!({}));
}

#[test]
fn a_header_that_cannot_be_understood_is_refused() {
    let parse = |code: &str| Program::parse("p".into(), code.into()).map(drop).unwrap_err();
    assert!(parse("print(1)").contains("sentence"));
    assert!(parse("# A title.\n# stdut: x\n").contains("unknown key `stdut`"));
    assert!(parse("# A title.\n# args: [\n").contains("`args`"));
    assert!(parse("# A title.\n# | x\n").contains("below no key"));
}
