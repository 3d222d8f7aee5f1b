//! Names and words of other tools, and what they stand for in ours.

use sandbox::{Error, Resource};

use super::prefix;
use super::refusal::{SHOWN_CHARS, short};

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

/// Words that mean one of the `choices`.
pub(super) fn meaning(word: &str, choices: &[&str]) -> Option<String> {
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
