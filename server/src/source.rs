//! Program texts as people and models write them, made plain: without a byte
//! order mark, a Markdown fence or carriage returns at the ends of its lines.

use guest_runtimes::Catalogue;

/// The text to run in `language`, and words about what was taken off it where
/// that moves line numbers or may not have been meant.
pub(crate) fn plain(catalogue: &Catalogue, code: String, language: &str) -> (String, Vec<String>) {
    let mut code = without_mark(code);
    if has_carriage_returns(&code) {
        code = code.replace("\r\n", "\n");
    }
    let Some(Fenced { inner, info }) = without_fence(catalogue, &code) else {
        let notes = prompts(&code, language);
        return (code, notes);
    };
    let mut notes = vec!["the Markdown fence around the code was taken off; send the code alone".to_owned()];
    notes.extend(prompts(&inner, language));
    match language_of(catalogue, &info) {
        Some(named) if named != language && !language.starts_with(named.as_str()) => {
            notes.push(format!("the fence says {info}, and the code ran as {language}; language {named:?} is there"));
        }
        None if !NO_LANGUAGES.contains(&info.to_ascii_lowercase().as_str()) => {
            notes.push(format!("the fence says {info}, which is no language here, and the code ran as {language}"));
        }
        Some(_) | None => {}
    }
    (without_mark(inner), notes)
}

/// What a fence is called that says no language.
const NO_LANGUAGES: [&str; 6] = ["", "text", "txt", "plain", "plaintext", "code"];

/// Words about the prompt before the first command of a shell. What Python
/// makes of prompts it says itself; a shell looks for a command of that name.
fn prompts(code: &str, language: &str) -> Vec<String> {
    if language != "bash" {
        return Vec::new();
    }
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let Some(first) = code.lines().map(str::trim_start).find(is_code) else { return Vec::new() };
    let said = match prompt_of(first) {
        Some(Prompt::Shell(prompt)) => format!(
            "`{prompt} ` is the prompt of a shell, not a part of a command: send the commands alone, without prompts and without what they print"
        ),
        Some(Prompt::Python(prompt)) => format!(
            "`{prompt} ` is a prompt of Python: send the code alone, without prompts and without what it prints, to language \"python\""
        ),
        None => return Vec::new(),
    };
    vec![said]
}

enum Prompt<'a> {
    Shell(&'a str),
    Python(&'a str),
}

/// The prompt that a line of a terminal begins with.
fn prompt_of(line: &str) -> Option<Prompt<'_>> {
    let (word, _) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        ">>>" => return Some(Prompt::Python(word)),
        "$" | "%" | "❯" | "➜" | "PS>" => return Some(Prompt::Shell(word)),
        _ => {}
    }
    if line.starts_with("In [") && line.contains("]: ") {
        return Some(Prompt::Python("In [1]:"));
    }
    // `user@host:~/a folder$`, `[user@host folder]#`, `bash-5.2$`, `PS C:\>`.
    let is_end = |(at, _): &(usize, &str)| matches!(line[at + 1..].chars().next(), None | Some(' '));
    let (end, last) = line.match_indices(['$', '#', '%', '>']).find(is_end)?;
    let prompt = &line[..=end];
    let text = line[..end].trim_start_matches('[');
    let (name, rest) = text.split_at(text.find(['@', '-', ' ']).unwrap_or(text.len()));
    let is_prompt = match name {
        "bash" | "sh" | "zsh" => last != ">" && rest.chars().all(|char| "-.".contains(char) || char.is_ascii_digit()),
        "PS" => last == ">" && rest.starts_with(' '),
        _ => {
            let is_name = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || "_.".contains(char));
            let is_tight = last == "%" || last != ">" && !rest.ends_with(' ');
            is_name && is_tight && rest.starts_with('@') && !rest.contains(['"', '\'', '=', '<', '|', ';'])
        }
    };
    is_prompt.then_some(Prompt::Shell(prompt))
}

/// The language id of the name that a fence has.
fn language_of(catalogue: &Catalogue, info: &str) -> Option<String> {
    // R Markdown writes `{python}`.
    let name = match info.trim_matches(['{', '}', '.']).to_ascii_lowercase().as_str() {
        "py" | "python3" => "python".to_owned(),
        "sh" | "shell" | "console" => "bash".to_owned(),
        other => other.to_owned(),
    };
    catalogue.find(&name).map(|runtime| runtime.id().to_owned())
}

fn without_mark(code: String) -> String {
    match code.trim_start_matches('\u{feff}') {
        same if same.len() == code.len() => code,
        rest => rest.to_owned(),
    }
}

/// Whether every line ends as on Windows, over which a shell stumbles.
fn has_carriage_returns(code: &str) -> bool {
    let ends = code.bytes().filter(|byte| *byte == b'\n').count();
    ends > 0 && code.matches("\r\n").count() == ends
}

/// What a fence holds, and the name of its language.
struct Fenced {
    inner: String,
    info: String,
}

/// What stands between a first line that opens a fence and a last line that
/// closes it or was forgotten, without the indentation of the fence.
fn without_fence(catalogue: &Catalogue, code: &str) -> Option<Fenced> {
    let code = code.trim_start_matches('\n').trim_end();
    let trimmed = code.trim_start();
    let indentation = &code[..code.len() - trimmed.len()];
    let fence_char = trimmed.chars().next().filter(|char| matches!(char, '`' | '~'))?;
    let (first, rest) = trimmed.split_once('\n')?;
    let fence = &first[..first.len() - first.trim_start_matches(fence_char).len()];
    // The name of a language, and no more of the fence: not code on one line.
    let said = first[fence.len()..].trim();
    let (info, attributes) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let is_name = info.chars().all(|char| char.is_alphanumeric() || "+-_.#{}".contains(char));
    if fence.len() < 3 || !is_name || said.contains(fence_char) {
        return None;
    }
    if !attributes.is_empty() && language_of(catalogue, info).is_none() {
        return None;
    }
    let last = rest.rfind('\n').map_or(0, |end| end + 1);
    let lines = if rest[last..].trim() == fence { &rest[..last] } else { rest }.lines();
    // A second fence inside would be text between programs.
    if lines.clone().any(|line| line.trim_start().starts_with(fence)) {
        return None;
    }
    let inner = lines.flat_map(|line| [line.strip_prefix(indentation).unwrap_or(line), "\n"]).collect();
    Some(Fenced { inner, info: info.chars().take(20).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_before_the_first_command_of_a_shell_is_named() {
        for (code, prompt) in [
            ("$ echo hi\nhi\n", "`$ ` is the prompt of a shell"),
            ("\n# list them\n  $ ls -la", "`$ ` is"),
            ("$", "`$ ` is"),
            ("user@host:~/a folder$ ls", "`user@host:~/a folder$ ` is"),
            ("root@3f2a:/# ls", "`root@3f2a:/# ` is"),
            ("[me@host dir]$ ls", "`[me@host dir]$ ` is"),
            ("bash-5.2# ls", "`bash-5.2# ` is"),
            ("sh$ ls", "`sh$ ` is"),
            ("% ls", "`% ` is"),
            ("PS C:\\Users> dir", "`PS C:\\Users> ` is"),
            (">>> print(1)\n1", "`>>> ` is a prompt of Python"),
            ("In [3]: print(1)", "a prompt of Python"),
            ("```console\n$ ls\n```", "`$ ` is"),
        ] {
            let (_, said) = plain(&Catalogue::built_in(), code.to_owned(), "bash");
            assert!(said.last().is_some_and(|note| note.contains(prompt)), "{code:?}: {said:?}");
            assert!(
                !plain(&Catalogue::built_in(), code.to_owned(), "python").1.iter().any(|note| note.contains("prompt")),
                "{code:?}"
            );
        }
        for code in [
            "echo hi",
            "# $ echo",
            "",
            "$HOME/run.sh",
            "$(which ls) -l",
            "cat <<END\n$ echo hi\nEND",
            "echo $ > f",
            "ls > f",
            "mail a@b.c > log",
            "a@b > f",
            "sh run.sh > log",
            "bash -c 'echo $$ ' # x",
            "x=a@b$ ls",
            "PS1='$ '",
            "ssh user@host ls > f",
            "rsync user@host:/a b > log",
        ] {
            assert_eq!(plain(&Catalogue::built_in(), code.to_owned(), "bash").1, Vec::<String>::new(), "{code:?}");
        }
    }

    #[test]
    fn what_is_no_code_is_taken_off_and_code_is_left_alone() {
        for (given, expected, notes) in [
            ("print(1)\n", "print(1)\n", 0),
            ("\u{feff}print(1)", "print(1)", 0),
            ("```python\nprint(1)\n```", "print(1)\n", 1),
            ("\n```\nprint(1)\nprint(2)\n```\n\n", "print(1)\nprint(2)\n", 1),
            ("\u{feff}~~~~ py\r\nprint(1)\r\n~~~~\r\n", "print(1)\n", 1),
            ("```python\n```", "", 1),
            ("\u{feff}\u{feff}```python\n\u{feff}print(1)\n```", "print(1)\n", 1),
            ("    ```python\n    if 1:\n        print(1)\n    ```", "if 1:\n    print(1)\n", 1),
            ("```bash\necho 1\n```", "echo 1\n", 2),
            ("```javascript\nprint(1)\n```", "print(1)\n", 2),
            ("```{python}\nprint(1)\n```", "print(1)\n", 1),
            ("```text\nprint(1)\n```", "print(1)\n", 1),
            ("```python title=\"a.py\"\nprint(1)\n```", "print(1)\n", 1),
            ("```python\nprint(1)", "print(1)\n", 1),
            ("```python\nprint(1)\n\n", "print(1)\n", 1),
            ("```print(1)\nprint(2)\n```", "```print(1)\nprint(2)\n```", 0),
            ("```a shell\nls\n```", "```a shell\nls\n```", 0),
            ("```python print(1)```", "```python print(1)```", 0),
            ("```py\na\n```\ntext\n```py\nb\n```", "```py\na\n```\ntext\n```py\nb\n```", 0),
            ("x = \"\"\"\n```\n\"\"\"\n", "x = \"\"\"\n```\n\"\"\"\n", 0),
            ("echo a\r\necho b\r\n", "echo a\necho b\n", 0),
            ("a = 'x\r\n'\nb", "a = 'x\r\n'\nb", 0),
            ("`", "`", 0),
            ("", "", 0),
        ] {
            let (code, said) = plain(&Catalogue::built_in(), given.to_owned(), "python");
            assert_eq!((code.as_str(), said.len()), (expected, notes), "{given:?}");
        }
    }
}
