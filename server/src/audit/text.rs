//! Texts that others wrote, as the audit log has them: bounded, in words of ours where
//! there are any, and without what terminals and readers of lines heed.

use std::borrow::Cow;

use sandbox::Resource;

/// The most characters of anything but a program.
const CHARS: usize = 200;
/// The digits that stand for the rest of a name, which must be told from others like it.
const DIGITS: usize = 16;

/// The arguments of `execute`, and what there is in them.
const FIELDS: [&str; 16] = [
    "arguments",
    "args",
    "args[]",
    "args and env",
    "code",
    "env",
    "files",
    "files[]",
    "files[].base64",
    "files[].path",
    "files[].text",
    "if_sequence",
    "language",
    "limits",
    "session",
    "stdin",
];

/// The argument that was wrong, by the schema: what a caller calls it may be a secret in
/// the wrong place.
pub(super) fn field(path: &str) -> String {
    let mut plain = String::new();
    for piece in path.split('[') {
        // The number in `files[3].path` is nothing that anybody needs.
        match piece.split_once(']') {
            Some((number, rest)) if number.parse::<usize>().is_ok() => {
                plain.push_str("[]");
                plain.push_str(rest);
            }
            _ => plain.push_str(piece),
        }
        if plain.len() > CHARS {
            break;
        }
    }
    if FIELDS.contains(&plain.as_str()) {
        return plain;
    }
    match plain.split_once('.') {
        Some(("limits", name)) if Resource::from_name(name).is_some() => plain,
        Some((object @ ("env" | "limits" | "files[]"), _)) => format!("{object}.*"),
        _ => "arguments.*".to_owned(),
    }
}

/// A name, cut where it is too long, and then with digits that tell it from others.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if text.char_indices().nth(CHARS).is_none() {
        return Cow::Borrowed(text);
    }
    let digits = blake3::hash(text.as_bytes()).to_hex();
    let begin: String = text.chars().take(CHARS - DIGITS - 1).collect();
    Cow::Owned(format!("{begin}…{}", &digits[..DIGITS]))
}

/// A text of JSON, with escapes for what JSON lets pass in its strings, but a terminal
/// obeys, ends a line for some, or has text read backwards.
pub(super) fn escaped(json: String) -> String {
    if !json.contains(is_heeded) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for letter in json.chars() {
        if is_heeded(letter) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

const fn is_heeded(letter: char) -> bool {
    matches!(letter,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_word_of_the_schema_and_nothing_of_a_caller() {
        for (path, expected) in [
            ("language", "language"),
            ("env.API_KEY=sk-1234", "env.*"),
            ("env.", "env.*"),
            ("files[12].path", "files[].path"),
            ("files[0]", "files[]"),
            ("files[0].sk-1234", "files[].*"),
            ("files[sk-1234]", "arguments.*"),
            ("limits.wall_time_ms", "limits.wall_time_ms"),
            ("limits.sk-1234", "limits.*"),
            ("sk-1234", "arguments.*"),
            ("args[3]", "args[]"),
            ("language.sk-1234", "arguments.*"),
            ("", "arguments.*"),
        ] {
            assert_eq!(field(path), expected, "{path}");
        }
        assert_eq!(field(&"files[0]".repeat(1 << 20)), "arguments.*");
    }

    #[test]
    fn long_names_are_cut_and_still_told_apart() {
        let long = |end: &str| format!("{}{end}", "é".repeat(300));
        let (one, other) = (long("1"), long("2"));
        assert_ne!(name(&one), name(&other));
        assert_eq!(name(&one).chars().count(), CHARS);
        assert_eq!(name("plain\n"), "plain\n");
    }

    #[test]
    fn what_is_heeded_is_escaped_and_reads_back_the_same() {
        let text = "a\u{7f}\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}b\u{2066}\u{200f}\u{61c}\u{feff}\n\u{1b}é\u{1f600}";
        let json = escaped(serde_json::to_string(&[text]).unwrap());
        let shown = json.chars().filter(|letter| !letter.is_ascii_graphic()).collect::<String>();
        assert_eq!(shown, "é\u{1f600}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap()[0], text);
    }
}
