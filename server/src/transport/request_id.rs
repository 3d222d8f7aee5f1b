//! Finds the id of a request in bytes that cannot be parsed as a whole: the
//! member `id` of the outermost object, wherever it stands.

use rmcp::model::{NumberOrString, RequestId};

/// The longest key or id that is kept.
const KEPT_BYTES: usize = 64 << 10;

/// Takes the bytes of a line piece by piece.
#[derive(Debug, Default)]
pub(crate) struct IdFinder {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// What the outermost object has next.
    expects: Expects,
    /// The key or value that is being read at depth one.
    token: Vec<u8>,
    id: Option<RequestId>,
    has_method: bool,
    has_id: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Key,
    /// A value whose key is not `id`.
    OtherValue,
    Id,
}

impl IdFinder {
    /// Takes more of the line.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(*byte);
        }
    }

    /// Whether the line is about a method, as requests and notifications are, and has
    /// an id of whatever sort.
    pub(crate) const fn has_method(&self) -> bool {
        self.has_method && self.has_id
    }

    /// The id, if there was one that a request may have.
    pub(crate) fn found(self) -> Option<RequestId> {
        self.id.or_else(|| (self.expects == Expects::Id && !self.in_string).then(|| parsed(&self.token)).flatten())
    }

    fn take(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.keep(byte);
                self.in_string = true;
            }
            b'{' | b'[' => {
                self.depth += 1;
                // An id is no object, and a key of one inside is not ours.
                self.token.clear();
            }
            b'}' | b']' | b',' if self.depth == 1 => {
                self.end_of_value();
                self.depth -= usize::from(byte != b',');
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 && self.expects == Expects::Key => {
                // A key may be written in escapes, too.
                let key = serde_json::from_slice::<String>(self.token.trim_ascii()).unwrap_or_default();
                self.has_method |= key == "method";
                self.has_id |= key == "id";
                self.expects = if key == "id" { Expects::Id } else { Expects::OtherValue };
                self.token.clear();
            }
            _ => self.keep(byte),
        }
    }

    fn end_of_value(&mut self) {
        if self.expects == Expects::Id && self.id.is_none() {
            self.id = parsed(&self.token);
        }
        self.expects = Expects::Key;
        self.token.clear();
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.expects != Expects::OtherValue && self.token.len() < KEPT_BYTES {
            self.token.push(byte);
        }
    }
}

fn parsed(token: &[u8]) -> Option<RequestId> {
    serde_json::from_slice::<NumberOrString>(token).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(line: &str) -> Option<RequestId> {
        let mut finder = IdFinder::default();
        // The line comes in pieces, as a connection delivers it.
        line.as_bytes().chunks(3).for_each(|piece| finder.feed(piece));
        finder.found()
    }

    #[test]
    fn the_id_of_the_outermost_object_is_found_and_no_other() {
        let number = |number| Some(NumberOrString::Number(number));
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":5,"method":"x\ud83d"}"#, number(5)),
            (r#"{"method":"m","params":{"id":1,"a":[{"id":2}]},"id":3}"#, number(3)),
            (r#"{"params":{"code":"\"id\":9, {[\\"},"id" : -7 }"#, number(-7)),
            (r#"{"x":"id","y":"id","id":"a\"b"}"#, Some(NumberOrString::String("a\"b".into()))),
            (r#"{"method":"m","id":12"#, number(12)),
            (r#"{"params":{"id":1}}"#, None),
            (r#"{"id":{"id":1}}"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"id":1.5}"#, None),
            (r#"[{"id":1}]"#, None),
            (r#"{"id":"half"#, None),
            ("id", None),
            ("", None),
        ] {
            assert_eq!(id(line), expected, "{line}");
        }
        assert_eq!(id(&format!("{{\"p\":{}{},\"id\":4}}", "[".repeat(5000), "]".repeat(5000))), number(4));
        assert_eq!(id(&format!("{{\"id\":\"{}\"}}", "x".repeat(100_000))), None);
    }
}
