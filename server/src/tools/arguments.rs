//! Arguments of a tool, held against its schema: what a client may leave out or
//! write in another way is forgiven, and a refusal names the field, what it
//! wants, what it got and what to do next.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rmcp::model::JsonObject;
use sandbox::{Error, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// How much of a value that does not fit a refusal repeats.
const SHOWN_CHARS: usize = 40;
/// How alike a name must be to one of ours to be taken for a slip of it.
const ALIKE: f64 = 0.85;

/// Names by which other tools call what ours take, and what to use here. An
/// entry counts where its second half is a known name, or a sentence.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &[
            "timeout",
            "timeout_s",
            "timeout_sec",
            "timeout_secs",
            "timeout_seconds",
            "time_limit",
            "max_time",
            "wall_time",
        ],
        "limits.wall_time_ms, in milliseconds",
    ),
    (&["timeout_ms", "timeoutms", "wall_time_limit", "max_wall_time_ms"], "limits.wall_time_ms"),
    (&["cpu_time", "cpu_limit", "max_cpu_time", "cpu"], "limits.cpu_time_ms, in milliseconds"),
    (
        &["memory", "memory_limit", "max_memory", "memory_mb", "mem", "mem_limit", "ram", "max_memory_mb"],
        "limits.memory_bytes, in bytes",
    ),
    (
        &["max_output", "output_limit", "max_output_bytes", "max_output_length", "max_tokens"],
        "limits.output_bytes, in bytes",
    ),
    (
        &[
            "script",
            "source",
            "source_code",
            "program",
            "command",
            "cmd",
            "snippet",
            "python_code",
            "python",
            "bash",
            "text",
            "content",
        ],
        "code",
    ),
    (&["lang", "runtime", "kernel", "interpreter", "language_id"], "language"),
    (&["session_id", "sessionid", "sid", "session_handle", "kernel_id", "sandbox_id", "context_id"], "session"),
    (&["stdin_text", "standard_input", "input", "inputs"], "stdin"),
    (&["argv", "arguments", "arg", "params", "cli_args"], "args"),
    (&["environment", "env_vars", "environment_variables", "envs", "variables"], "env"),
    (&["file", "input_files", "attachments", "uploads"], "files"),
    (&["file_path", "filepath", "filename", "file_name", "name", "file", "dir", "directory", "target"], "path"),
    (&["content", "contents", "data", "body", "file_text", "value"], "text"),
    (&["content_base64", "base64_content", "b64", "blob", "data_base64", "bytes"], "base64"),
    (&["regex", "query", "glob", "search", "grep", "filter"], "pattern"),
    (&["start", "start_line", "line", "from", "skip", "begin", "line_offset"], "offset"),
    (&["count", "lines", "max_lines", "length", "n", "num_lines", "head", "size", "max_results"], "limit"),
    (&["run_id", "runid", "run_handle"], "run"),
    (&["image", "image_number", "plot", "figure"], "output"),
    (&["charset", "codec"], "encoding"),
    (&["snapshot_id", "checkpoint", "snapshot_name"], "snapshot"),
    (&["operation", "op", "command", "cmd", "method"], "action"),
    (&["sequence", "expected_sequence", "if_match"], "if_sequence"),
    (
        &["cwd", "workdir", "work_dir", "working_directory", "working_dir"],
        "nothing: every run starts in /workspace, and its code may change the directory",
    ),
    (
        &["packages", "requirements", "dependencies", "pip", "install", "libraries"],
        "nothing: packages cannot be installed; the description of `language` says which there are",
    ),
    (&["network", "internet", "allow_network", "url"], "nothing: there is no network; pass data in `files` or `stdin`"),
    (&["background", "detach", "async"], "nothing: a call is answered when its run has ended"),
];

/// Decodes the arguments of a tool with this schema.
///
/// # Errors
///
/// [`Error::InvalidRequest`] for the first argument that does not fit.
pub(crate) fn decode<T: DeserializeOwned>(schema: &JsonObject, arguments: JsonObject) -> Result<T, Error> {
    let fitted = fit_object("", arguments, schema)?;
    // Whatever the schema cannot say, such as the range of an integer type.
    serde_json::from_value(Value::Object(fitted))
        .map_err(|error| Error::invalid("arguments", format!("do not fit the schema: {error}")))
}

/// The error for a name that is none of `known`, which says what may be meant.
pub(crate) fn unknown(path: &str, name: &str, known: &[&str]) -> Error {
    let hint = match_of(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    let field = format!("{}{}", prefix(path), short(name).escape_debug());
    let what = if path.is_empty() { "argument" } else { "field" };
    Error::invalid(field, format!("is no {what} here{hint}; there are {}", known.join(", ")))
}

/// What a foreign or misspelt name most likely stands for.
fn match_of(name: &str, known: &[&str]) -> Option<String> {
    let plain = snake_case(name);
    if known.contains(&"limits") && Resource::from_name(&plain).is_some() {
        return Some(format!("use `limits.{plain}`"));
    }
    let plain = if plain.contains("timeout") || plain.contains("time_out") || plain.contains("time_limit") {
        let unit = if plain.ends_with("ms") { "_ms" } else { "" };
        format!("timeout{unit}")
    } else {
        plain
    };
    let reached = |meant: &str| {
        let root = meant.split(['.', ',', ':']).next().unwrap_or(meant);
        root == "nothing" && known.contains(&"code") || known.contains(&root)
    };
    let foreign = FOREIGN.iter().filter(|(names, _)| names.contains(&plain.as_str())).map(|(_, meant)| *meant);
    // Inside `limits` the limit itself is meant, without the way to it.
    let within = foreign.clone().filter_map(|meant| meant.strip_prefix("limits."));
    foreign.filter(|meant| reached(meant)).chain(within.filter(|meant| reached(meant))).map(advice).next().or_else(
        || {
            let alike = |one: &&&str| strsim::jaro_winkler(one, &plain);
            let best = known.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
            (alike(&best) >= ALIKE).then(|| format!("use `{best}`"))
        },
    )
}

/// A name in the form that ours have: `timeoutSeconds` is `timeout_seconds`.
fn snake_case(name: &str) -> String {
    let mut plain = String::new();
    for char in name.chars().take(SHOWN_CHARS) {
        if char.is_ascii_uppercase() && plain.ends_with(|last: char| last.is_ascii_lowercase()) {
            plain.push('_');
        }
        plain.push(if matches!(char, '-' | ' ') { '_' } else { char.to_ascii_lowercase() });
    }
    plain
}

/// A meaning as advice.
fn advice(meant: &str) -> String {
    if let Some(reason) = meant.strip_prefix("nothing: ") {
        return reason.to_owned();
    }
    let (name, rest) = meant.split_at(meant.find(',').unwrap_or(meant.len()));
    format!("use `{name}`{rest}")
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.") }
}

fn fit_object(path: &str, mut object: JsonObject, schema: &JsonObject) -> Result<JsonObject, Error> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        // A map: any name, one kind of value.
        let Some(values) = schema.get("additionalProperties").and_then(Value::as_object) else { return Ok(object) };
        let fit = |(name, value): (String, Value)| {
            let path = format!("{}{}", prefix(path), short(&name));
            fit_value(&path, value, values).map(|fitted| Some((name, fitted?))).transpose()
        };
        return object.into_iter().filter_map(fit).collect();
    };
    let known: Vec<_> = properties.keys().map(String::as_str).collect();
    if let Some(name) = object.keys().find(|name| !properties.contains_key(*name)) {
        return Err(unknown(path, name, &known));
    }
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut fitted = JsonObject::new();
    for (name, schema) in properties {
        let Some(schema) = schema.as_object() else { continue };
        let path = format!("{}{name}", prefix(path));
        let value = object.remove(name).map(|value| fit_value(&path, value, schema)).transpose()?.flatten();
        match value {
            Some(value) => drop(fitted.insert(name.clone(), value)),
            None if required.iter().any(|required| required == name) => {
                let hint = hint(&path).map(|hint| format!("; {hint}")).unwrap_or_default();
                return Err(Error::invalid(path, format!("is missing; it must be {}{hint}", wanted(schema))));
            }
            None => {}
        }
    }
    Ok(fitted)
}

/// The value as the schema wants it; `None` when it stands for an absent one.
fn fit_value(path: &str, value: Value, schema: &JsonObject) -> Result<Option<Value>, Error> {
    let refuse = |value: &Value| {
        let own = hint(path).filter(|_| !schema.contains_key("enum")).map(str::to_owned);
        let next = own.or_else(|| next_step(value, schema)).map(|next| format!("; {next}")).unwrap_or_default();
        Err(Error::invalid(path, format!("must be {}, got {}{next}", wanted(schema), shown(value))))
    };
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    Ok(Some(match (kind, value) {
        (_, Value::Null) => return Ok(None),
        ("object", Value::Object(object)) => Value::Object(fit_object(path, object, schema)?),
        ("array", Value::Array(values)) => {
            let Some(items) = schema.get("items").and_then(Value::as_object) else {
                return Ok(Some(Value::Array(values)));
            };
            let fit = |(index, value): (usize, Value)| {
                let path = format!("{path}[{index}]");
                // In a list, nothing is no entry that could be left out.
                fit_value(&path, value, items)?.map_or_else(|| refuse_null(&path, items), Ok)
            };
            Value::Array(values.into_iter().enumerate().map(fit).collect::<Result<_, _>>()?)
        }
        ("integer", Value::Number(number)) => match whole(&number) {
            Some(number) => Value::Number(number),
            None => return refuse(&Value::Number(number)),
        },
        ("string", Value::String(text)) => {
            let choices = schema.get("enum").and_then(Value::as_array);
            if choices.is_some_and(|choices| !choices.iter().any(|choice| *choice == text)) {
                return refuse(&Value::String(text));
            }
            Value::String(text)
        }
        ("boolean", value @ Value::Bool(_)) | ("", value) => value,
        (_, value) => return refuse(&value),
    }))
}

/// What goes into a field that has no free text.
fn hint(path: &str) -> Option<&'static str> {
    Some(match path {
        "session" => "give \"new\" or the handle that stands in a result, which begins with s_",
        "run" => "give the handle that stands in a result, which begins with r_",
        "snapshot" => "give the handle of a snapshot, which `session` with action \"list\" names",
        "path" => "give the name of a file, such as data/in.csv",
        "files" => "write [{\"path\": \"in.csv\", \"text\": \"…\"}]",
        "limits" => "write {\"wall_time_ms\": 5000}",
        _ if path.starts_with("files[") && path.ends_with(']') => "write {\"path\": \"in.csv\", \"text\": \"…\"}",
        _ => return None,
    })
}

fn refuse_null(path: &str, schema: &JsonObject) -> Result<Value, Error> {
    Err(Error::invalid(path, format!("must be {}, got null; leave it out", wanted(schema))))
}

/// A whole number of at least 0, also where it is written as `5000.0`.
fn whole(number: &Number) -> Option<Number> {
    if number.is_u64() {
        return Some(number.clone());
    }
    // The largest double below 2^64.
    const LARGEST: f64 = 18_446_744_073_709_549_568.0;
    let value = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    ((0.0..=LARGEST).contains(&value) && value.fract() == 0.0).then(|| (value as u64).into())
}

fn wanted(schema: &JsonObject) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let names: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", names.join(", "));
    }
    let kind = |schema: &JsonObject| schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind(schema).as_str() {
        "integer" => "a whole number of at least 0".to_owned(),
        "array" => {
            let items = schema.get("items").and_then(Value::as_object).map(kind).unwrap_or_default();
            format!("an array of {items}s")
        }
        "object" => "an object".to_owned(),
        other => format!("a {other}"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {}", short(&number.to_string())),
        Value::String(text) => format!("the string {:?}", short(text)),
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Object(object) => format!("an object of {}", object.len()),
    }
}

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What to write instead, where that can be told.
fn next_step(value: &Value, schema: &JsonObject) -> Option<String> {
    let example = || schema.get("items").map(example).unwrap_or_default();
    if schema.contains_key("enum") {
        let choices: Vec<_> = schema["enum"].as_array()?.iter().filter_map(Value::as_str).collect();
        return meaning(value.as_str()?, &choices);
    }
    Some(match (schema.get("type")?.as_str()?, value) {
        ("integer", Value::String(text)) if text.trim().parse::<f64>().is_ok() => {
            format!("write {} without quotes", short(text.trim()))
        }
        ("integer", Value::String(text)) if text.trim_start().starts_with(|char: char| char.is_ascii_digit()) => {
            "write the number alone, in the unit that the name of the field ends in".into()
        }
        ("integer", Value::Number(number)) if number.as_f64().is_some_and(|value| value >= 1e15) => {
            "write a smaller one".into()
        }
        ("integer", Value::Number(number)) if number.as_f64().is_some_and(|value| value > 0.0) => "round it".into(),
        ("string", Value::Number(_) | Value::Bool(_)) => format!("write \"{}\"", short(&value.to_string())),
        ("string", Value::Array(_)) => "join its lines with \"\\n\" into one string".into(),
        ("string", Value::Object(_)) => "write its JSON as a string".into(),
        ("array" | "object", Value::String(text)) if text.trim_start().starts_with(['[', '{']) => {
            "send the JSON itself, not a string that holds it".into()
        }
        ("array", Value::String(text)) => format!("write [{:?}]", short(text)),
        ("array", _) => format!("write [{}]", example()),
        ("object", _) if schema.contains_key("additionalProperties") => {
            format!("write {{\"NAME\": {}}}", self::example(&schema["additionalProperties"]))
        }
        _ => return None,
    })
}

/// Words that mean one of the `choices`.
fn meaning(word: &str, choices: &[&str]) -> Option<String> {
    const MEANINGS: &[(&[&str], &str)] = &[
        (&["delete", "end", "stop", "terminate", "remove", "kill", "destroy"], "close"),
        (&["copy", "clone", "branch"], "fork"),
        (&["rewind", "rollback", "revert", "undo", "reset"], "restore"),
        (&["save", "checkpoint", "commit"], "snapshot"),
        (&["ls", "show", "get", "status"], "list"),
        (&["py", "python3", "python2", "ipython", "cpython", "jupyter"], "python"),
        (&["sh", "shell", "zsh", "dash", "terminal"], "bash"),
        (&["native-python", "python_native", "pythonnative"], "python-native"),
        (&["out", "output"], "stdout"),
        (&["err", "errors"], "stderr"),
    ];
    let word = word.to_ascii_lowercase();
    let by_meaning = MEANINGS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, meant)| *meant);
    let same = choices.iter().find(|choice| choice.eq_ignore_ascii_case(&word)).copied();
    let meant = same.or(by_meaning.filter(|meant| choices.contains(meant)));
    if meant.is_none() && ["create", "new", "start", "open"].contains(&word.as_str()) {
        return Some("`execute` and `write` make a session when they are given session \"new\"".into());
    }
    meant.map(|meant| format!("use \"{meant}\""))
}

/// A value that a schema would take, for an example.
fn example(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("integer") => "1000".into(),
        Some("object") => {
            let names = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
            let fields: Vec<_> = names.take(2).map(|name| format!("\"{name}\": \"…\"")).collect();
            format!("{{{}}}", fields.join(", "))
        }
        _ => "\"…\"".into(),
    }
}

/// Takes padding or none, which common tools leave out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The content of a file as a caller gives it: one of two fields.
///
/// # Errors
///
/// [`Error::InvalidRequest`] when it is neither or both, or not base64.
pub(crate) fn content(field: &str, text: Option<String>, base64: Option<&str>) -> Result<Vec<u8>, Error> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(encoded)) => decode_base64(&format!("{}base64", prefix(field)), encoded),
        (given, _) => {
            let given = if given.is_some() { "both" } else { "neither" };
            let field = if field.is_empty() { "arguments" } else { field };
            Err(Error::invalid(field, format!("must have either `text` or `base64`, got {given}")))
        }
    }
}

/// Decodes base64 as common tools write it: in lines, with or without padding,
/// in the alphabet for URLs, in a `data:` URL, between the lines of PEM, or as
/// Python shows bytes.
///
/// # Errors
///
/// [`Error::InvalidRequest`] when it is not base64.
pub(crate) fn decode_base64(field: &str, encoded: &str) -> Result<Vec<u8>, Error> {
    let invalid = |reason: String| Error::invalid(field, format!("is not base64: {reason}"));
    let mut text = encoded.trim_start_matches('\u{feff}').trim();
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
        let (kind, data) = text.split_once(',').ok_or_else(|| invalid("a data: URL without a comma".into()))?;
        if !kind.to_ascii_lowercase().ends_with(";base64") {
            return Err(invalid("a data: URL that does not say ;base64; pass its content as `text`".into()));
        }
        text = data;
    }
    for quote in ['\'', '"'] {
        let bare = text.strip_prefix('b').unwrap_or(text);
        text = bare.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote)).unwrap_or(text);
    }
    let lines = text.lines().filter(|line| !line.trim().starts_with("-----"));
    let in_alphabet = |char: char| match char {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let plain: String =
        lines.flat_map(str::chars).filter(|char| !char.is_ascii_whitespace()).map(in_alphabet).collect();
    let plain = plain.trim_end_matches('=');
    let is_symbol = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/');
    if let Some((index, char)) = plain.chars().enumerate().find(|(_, char)| !is_symbol(*char)) {
        return Err(invalid(format!("character {} is {char:?}; plain text goes into `text`", index + 1)));
    }
    LENIENT.decode(plain).map_err(|_| invalid(format!("{} characters are cut off somewhere", plain.len())))
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "decoded to see whether it can be")]
    struct Sample {
        code: String,
        session: Option<String>,
        offset: Option<u64>,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: std::collections::BTreeMap<String, String>,
        #[serde(default)]
        files: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "decoded to see whether it can be")]
    struct Inner {
        path: String,
        text: Option<String>,
    }

    fn sample(arguments: Value) -> Result<Sample, String> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        decode(&super::super::schema::<Sample>(), arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn what_stands_for_nothing_is_absent_and_a_whole_number_is_one() {
        let given = json!({"code": "1", "session": null, "args": null, "offset": 5000.0, "env": {"A": null},
            "files": [{"path": "a", "text": null}]});
        let sample = sample(given).unwrap();
        assert_eq!((sample.session, sample.offset, sample.env.len()), (None, Some(5000), 0));
        assert!(sample.files[0].text.is_none());
    }

    #[test]
    fn a_refusal_names_the_field_what_it_wants_and_got_and_what_to_do() {
        for (arguments, expected) in [
            (json!({}), "code is missing; it must be a string"),
            (json!({"code": null}), "code is missing; it must be a string"),
            (json!({"code": 5}), "code must be a string, got the number 5; write \"5\""),
            (json!({"code": ["a"]}), "code must be a string, got an array of 1; join its lines"),
            (
                json!({"code": "", "offset": "50"}),
                "offset must be a whole number of at least 0, got the string \"50\"; write 50 without quotes",
            ),
            (
                json!({"code": "", "offset": 1.5}),
                "offset must be a whole number of at least 0, got the number 1.5; round",
            ),
            (json!({"code": "", "offset": -3}), "offset must be a whole number of at least 0, got the number -3"),
            (
                json!({"code": "", "args": "-v"}),
                "args must be an array of strings, got the string \"-v\"; write [\"-v\"]",
            ),
            (json!({"code": "", "args": [null]}), "args[0] must be a string, got null; leave it out"),
            (json!({"code": "", "args": [true]}), "args[0] must be a string, got true; write \"true\""),
            (json!({"code": "", "env": ["A=1"]}), "env must be an object, got an array of 1; write {\"NAME\": \"…\"}"),
            (json!({"code": "", "env": {"PORT": 80}}), "env.PORT must be a string, got the number 80; write \"80\""),
            (
                json!({"code": "", "files": {"a": "b"}}),
                "files must be an array of objects, got an object of 1; write [{\"path\": \"in.csv\", \"text\": \"…\"}]",
            ),
            (json!({"code": "", "args": "[\"a\"]"}), "send the JSON itself, not a string"),
            (
                json!({"code": "", "session": 5}),
                "session must be a string, got the number 5; give \"new\" or the handle",
            ),
            (json!({"code": "", "offset": "5s"}), "write the number alone, in the unit"),
            (json!({"code": "", "offset": 1e300}), "write a smaller one"),
            (json!({"code": "", "files": ["a.txt"]}), "files[0] must be an object, got the string \"a.txt\""),
            (json!({"code": "", "files": [{}]}), "files[0].path is missing; it must be a string"),
            (json!({"code": "", "files": [{"name": "a"}]}), "files[0].name is no field here; use `path`"),
            (json!({"script": "1"}), "script is no argument here; use `code`; there are"),
            (json!({"code": "", "sesion": "x"}), "sesion is no argument here; use `session`"),
            (json!({"code": "", "zzz": 1}), "zzz is no argument here; there are args, code,"),
            (json!({"code": "", "cwd": "/x"}), "cwd is no argument here; every run starts in /workspace"),
        ] {
            let error = sample(arguments.clone()).unwrap_err();
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }

    #[test]
    fn base64_is_taken_as_tools_write_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let plain = STANDARD_PADDED.encode(&bytes);
        let lines = plain.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
        let url = plain.replace('+', "-").replace('/', "_");
        for text in [
            plain.clone(),
            lines.join("\n"),
            lines.join("\r\n") + "\r\n",
            plain.trim_end_matches('=').to_owned(),
            url.trim_end_matches('=').to_owned(),
            url,
            format!("data:image/png;base64,{plain}"),
            format!("DATA:;BASE64,{plain}"),
            format!("b'{plain}'"),
            format!("\"{plain}\""),
            format!("\u{feff}{plain}"),
            format!("-----BEGIN X-----\n{}\n-----END X-----\n", lines.join("\n")),
        ] {
            assert_eq!(content("", None, Some(&text)).unwrap(), bytes, "{text}");
        }
        assert_eq!(content("", None, Some("")).unwrap(), b"");
        let refused = content("files[1]", None, Some("not base64!")).unwrap_err().to_string();
        assert!(
            refused.starts_with("files[1].base64 is not base64: character 10 is '!'") && refused.contains("`text`"),
            "{refused}"
        );
        assert!(content("", None, None).unwrap_err().to_string().contains("got neither"));
    }

    use base64::engine::general_purpose::STANDARD as STANDARD_PADDED;
}
