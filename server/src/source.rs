//! Program texts as people and models write them, made plain: without a byte
//! order mark, a Markdown fence or carriage returns at the ends of its lines.

/// The text to run, and a word about what was taken off it where that moves
/// line numbers.
pub(crate) fn plain(code: String) -> (String, Vec<String>) {
    let mut code = match code.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => code,
    };
    if has_carriage_returns(&code) {
        code = code.replace("\r\n", "\n");
    }
    match without_fence(&code) {
        Some(inner) => {
            (inner.to_owned(), vec!["the Markdown fence around the code was taken off; send the code alone".into()])
        }
        None => (code, Vec::new()),
    }
}

/// Whether every line ends as on Windows, over which a shell stumbles.
fn has_carriage_returns(code: &str) -> bool {
    let ends = code.bytes().filter(|byte| *byte == b'\n').count();
    ends > 0 && code.matches("\r\n").count() == ends
}

/// What stands between a first line that opens a fence and a last line that
/// closes it.
fn without_fence(code: &str) -> Option<&str> {
    let trimmed = code.trim();
    let fence_char = trimmed.chars().next().filter(|char| matches!(char, '`' | '~'))?;
    let (first, rest) = trimmed.split_once('\n')?;
    let fence = &first[..first.len() - first.trim_start_matches(fence_char).len()];
    // The name of a language, and no more of the fence: not code on one line.
    let info = &first[fence.len()..];
    if fence.len() < 3 || info.contains(fence_char) || info.trim().contains(char::is_whitespace) {
        return None;
    }
    let last = rest.rfind('\n').map_or(0, |end| end + 1);
    if rest[last..].trim() != fence {
        return None;
    }
    let inner = &rest[..last];
    // A second fence inside would be text between programs.
    inner.lines().all(|line| !line.trim_start().starts_with(fence)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_taken_off_and_code_is_left_alone() {
        for (given, expected, notes) in [
            ("print(1)\n", "print(1)\n", 0),
            ("\u{feff}print(1)", "print(1)", 0),
            ("```python\nprint(1)\n```", "print(1)\n", 1),
            ("\n```\nprint(1)\nprint(2)\n```\n\n", "print(1)\nprint(2)\n", 1),
            ("\u{feff}~~~~ py\r\nprint(1)\r\n~~~~\r\n", "print(1)\n", 1),
            ("```python\n```", "", 1),
            ("```python\nprint(1)", "```python\nprint(1)", 0),
            ("```python print(1)```", "```python print(1)```", 0),
            ("```py\na\n```\ntext\n```py\nb\n```", "```py\na\n```\ntext\n```py\nb\n```", 0),
            ("x = \"\"\"\n```\n\"\"\"\n", "x = \"\"\"\n```\n\"\"\"\n", 0),
            ("echo a\r\necho b\r\n", "echo a\necho b\n", 0),
            ("a = 'x\r\n'\nb", "a = 'x\r\n'\nb", 0),
            ("`", "`", 0),
            ("", "", 0),
        ] {
            let (code, said) = plain(given.to_owned());
            assert_eq!((code.as_str(), said.len()), (expected, notes), "{given:?}");
        }
    }
}
