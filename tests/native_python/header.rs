//! Writes the expectations of a program into its header.

use crate::native::Outcome;

/// What is written anew; all other keys stay as they are.
const WRITTEN: [&str; 9] =
    ["status", "stdout", "stderr", "result", "error", "wrote", "stdout has", "stderr has", "error has"];

/// `code` with a header that expects `outcome`.
pub(crate) fn written(code: &str, outcome: &Outcome) -> String {
    let header = code.lines().take_while(|line| line.starts_with('#')).count();
    let mut lines: Vec<String> = Vec::new();
    let mut dropping = false;
    for (number, line) in code.lines().take(header).enumerate() {
        if number > 0 && !line.starts_with("# |") {
            let key = line.trim_start_matches('#').split(':').next().unwrap_or_default();
            dropping = WRITTEN.contains(&key.trim());
        }
        if !dropping {
            lines.push(line.to_owned());
        }
    }
    if outcome.status != "exited 0" {
        lines.push(format!("# status: {}", outcome.status));
    }
    push_text(&mut lines, "stdout", &outcome.stdout);
    push_text(&mut lines, "stderr", &outcome.stderr);
    for (key, value) in [("result", &outcome.result), ("error", &outcome.error)] {
        if !value.is_empty() {
            lines.push(format!("# {key}: {value}"));
        }
    }
    let names = outcome.wrote.join(" ");
    if names.split_whitespace().count() != outcome.wrote.len() {
        lines.push(format!("# wrote: {}", serde_json::json!(outcome.wrote)));
    } else if !names.is_empty() {
        lines.push(format!("# wrote: {names}"));
    }
    let rest = code.split_inclusive('\n').skip(header).collect::<String>();
    format!("{}\n{rest}", lines.join("\n"))
}

/// Adds `text` as a block, or as JSON where a block would lose something.
fn push_text(lines: &mut Vec<String>, key: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let plain = text.ends_with('\n') && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if plain {
        lines.push(format!("# {key}:"));
        lines.extend(text.lines().map(|line| format!("# |{line}")));
    } else {
        lines.push(format!("# {key}: {}", serde_json::json!(text)));
    }
}
