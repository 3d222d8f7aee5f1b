//! The programs of `tests/programs`, with what is expected of them in their
//! first lines.
//!
//! A header is comment lines: a sentence, then `key: value` lines. What a key
//! does not say is expected to be empty, and the program to exit with 0.
//!
//! | key | value |
//! | --- | --- |
//! | `status` | as [`Reply::status`](crate::Reply::status), such as `exited 3` |
//! | `stdout`, `stderr` | lines that start with `\|`, on the lines below |
//! | `stdout has`, `stderr has` | a part of it; may be repeated |
//! | `result` | representation of the last expression |
//! | `error` | name of the exception |
//! | `error has`, `traceback has` | a part of it; may be repeated |
//! | `traceback lacks` | what must not be in it; may be repeated |
//! | `wrote` | names of the files in the result, in order; as JSON if they have spaces |
//! | `output has` | a MIME type and, after it, a part of the data |
//! | `args`, `env` | JSON |
//! | `stdin` | JSON text, or lines as for `stdout` |
//! | `differs` | why native Python does something else |
//! | `file <name>` | an input file; JSON text, or lines as for `stdout` |

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The fewest programs there may be: fewer would mean that files got lost.
const FEWEST_PROGRAMS: usize = 160;

/// A program and its header.
#[derive(Debug, Default)]
pub struct Program {
    /// The name of its file.
    pub name: String,
    /// All of the file.
    pub code: String,
    /// `args`, `env`, `stdin` and `files` as `execute` takes them.
    pub arguments: Map<String, Value>,
    /// How the program ends, as [`Reply::status`](crate::Reply::status).
    pub status: String,
    /// What `stdout`, `stderr`, `result` and `name` of the error must be.
    pub exact: Vec<(&'static str, String)>,
    /// What `stdout`, `stderr`, `value` and `traceback` of the error must have.
    pub parts: Vec<(&'static str, String)>,
    /// What the traceback must not have.
    pub absent: Vec<String>,
    /// Names of the files it leaves, in order.
    pub wrote: Vec<String>,
    /// MIME types of what it displays, and a part of it.
    pub outputs: Vec<(String, String)>,
    /// Why native Python does something else.
    pub differs: Option<String>,
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
    /// The folder of all programs.
    pub fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
    }

    /// All programs, in the order of their names.
    pub fn all() -> Vec<Self> {
        let entries = std::fs::read_dir(Self::folder()).expect("the folder of programs can be read");
        let mut programs: Vec<_> = entries
            .map(|entry| entry.expect("the folder of programs can be read").path())
            .map(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                assert!(name.ends_with(".py"), "{name} is not a Python program");
                let code = std::fs::read_to_string(&path).expect("a program can be read");
                Self::parse(name.clone(), code).unwrap_or_else(|error| panic!("{name}: {error}"))
            })
            .collect();
        assert!(programs.len() >= FEWEST_PROGRAMS, "only {} programs", programs.len());
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        programs
    }

    /// Reads the header of `code`, and says what is wrong with it.
    pub fn parse(name: String, code: String) -> Result<Self, String> {
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
                "wrote" if value.starts_with('[') => {
                    let names: Result<Vec<String>, _> = serde_json::from_str(&value);
                    program.wrote = names.map_err(|error| format!("`wrote`: {error}"))?;
                }
                "wrote" => program.wrote = value.split_whitespace().map(str::to_owned).collect(),
                "output has" => {
                    let (mime, part) = value.split_once(' ').ok_or("`output has` needs a MIME type and a part")?;
                    program.outputs.push((mime.into(), part.into()));
                }
                "differs" => program.differs = Some(value),
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
}
