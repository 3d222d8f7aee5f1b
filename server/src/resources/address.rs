//! `belljar://`: what resources are called. Paths are percent-encoded, and name
//! files as the tools do.

use sandbox::{Error, RunId, SessionId, escaped};

/// How every address begins.
pub(super) const SCHEME: &str = "belljar://";
/// The longest address. A path has 1,024 bytes, of which each may be four characters
/// of three.
pub(super) const MAX_BYTES: usize = 16 << 10;
/// How much of an address a refusal repeats.
const SHOWN_CHARS: usize = 120;
/// What a run said.
pub(crate) const STREAMS: [&str; 4] = ["stdout", "stderr", "result", "traceback"];

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Guide,
    Languages,
    Limits,
    /// A file or folder of a session, or of what is mounted beside it.
    Session {
        id: SessionId,
        path: String,
    },
    Run {
        id: RunId,
        part: Part,
    },
}

/// What is left of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A stream of the run, one of [`STREAMS`].
    Stream(&'static str),
    /// Something that the run displayed, by number.
    Output(u64),
    /// A file or folder of the run's own.
    File(String),
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for `uri`, with what is wrong. Whether a path leads
    /// out of the workspace is for those who open it.
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        if uri.len() > MAX_BYTES {
            return Err(Error::invalid("uri", format!("must be at most {MAX_BYTES} bytes, has {}", uri.len())));
        }
        let refuse = |reason: &str| {
            let shown: String = uri.chars().take(SHOWN_CHARS).collect();
            Err(Error::invalid("uri", format!("{reason}, got {shown:?}")))
        };
        let Some(rest) = uri.strip_prefix(SCHEME) else {
            return refuse("must begin with belljar://, as those of resources/list and resources/templates/list do");
        };
        if rest.contains(['?', '#']) {
            return refuse(
                "must have no query and no fragment (in a name they are %3F and %23); the tool `read` gives parts of a \
                 file",
            );
        }
        let (kind, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match (kind, name, rest) {
            ("guide", "", "") => Ok(Self::Guide),
            ("languages", "", "") => Ok(Self::Languages),
            ("limits", "", "") => Ok(Self::Limits),
            ("session", name, path) => match decoded(path) {
                Ok(path) => Ok(Self::Session { id: SessionId::parse(name)?, path }),
                Err(reason) => refuse(reason),
            },
            ("run", name, rest) => {
                let id = RunId::parse(name)?;
                let (part, rest) = rest.split_once('/').unwrap_or((rest, ""));
                let stream = STREAMS.into_iter().find(|stream| *stream == part);
                let number = rest.parse().ok().filter(|_| !rest.starts_with(['+', '0']));
                let part = match (part, rest, stream, number) {
                    (_, "", Some(stream), _) => Part::Stream(stream),
                    ("output", _, _, Some(number)) => Part::Output(number),
                    ("files", ..) => match decoded(rest) {
                        Ok(path) => Part::File(path),
                        Err(reason) => return refuse(reason),
                    },
                    _ => {
                        return refuse(
                            "must go on after a run with /stdout, /stderr, /result, /traceback, /output/NUMBER or \
                             /files/PATH",
                        );
                    }
                };
                Ok(Self::Run { id, part })
            }
            _ => refuse("must name guide, languages, limits, session/HANDLE/PATH or run/HANDLE/PART"),
        }
    }

    /// The address of a file of a session.
    pub(crate) fn of_session(id: &SessionId, path: &str) -> String {
        format!("{SCHEME}session/{id}/{}", encoded(path))
    }

    /// The address of a part of a run.
    pub(crate) fn of_run(id: &RunId, part: &str) -> String {
        format!("{SCHEME}run/{id}/{part}")
    }
}

/// The path of an address as the tools take it; the folder itself where it is empty.
fn decoded(path: &str) -> Result<String, &'static str> {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let [first, others @ ..] = rest {
        let (byte, left) = match (first, others) {
            (b'%', [high, low, left @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let byte = digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low);
                match byte.and_then(|byte| u8::try_from(byte).ok()) {
                    Some(byte) => (byte, left),
                    None => return Err("must have two hexadecimal digits after each % (a % itself is %25)"),
                }
            }
            (b'%', _) => return Err("must have two hexadecimal digits after each % (a % itself is %25)"),
            (byte, left) => (*byte, left),
        };
        if byte == 0 {
            return Err("must not hold a zero byte, which no name has");
        }
        bytes.push(byte);
        rest = left;
    }
    if bytes.is_empty() {
        return Ok(".".to_owned());
    }
    // A name that is no text is written as the tools write it.
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| escaped(error.as_bytes())))
}

/// A path as a part of an address.
pub(super) fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    encode(path, &mut text);
    text
}

/// Adds a path to an address.
pub(super) fn encode(path: &str, address: &mut String) {
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte) {
            address.push(char::from(byte));
        } else {
            escape(byte, address);
        }
    }
}

/// A path as the variable of a template: what fills it in writes everything else as an
/// address has it, and these as they are.
pub(crate) fn for_template(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for char in path.chars() {
        match char {
            '%' | '?' | '#' => escape(char as u8, &mut text),
            _ => text.push(char),
        }
    }
    text
}

/// The path that the variable of a template stands for, `None` where it is none.
pub(crate) fn of_template(text: &str) -> Option<String> {
    decoded(text).ok()
}

fn escape(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |number: u8| char::from(DIGITS[usize::from(number & 15)]);
    text.extend(['%', digit(byte >> 4), digit(byte)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "s_0123456789abcdefghjkmnpqrs";
    const RUN: &str = "r_0123456789abcdefghjkmnpqrs";

    #[test]
    fn an_address_names_what_it_was_made_of() {
        let (session, run) = (SessionId::parse(SESSION).unwrap(), RunId::parse(RUN).unwrap());
        for path in ["a", "a b/c", "caf\\xe9", "é/%41?#", "/tmp/x", "/workspace", "..", "a\nb", "+a&=b;"] {
            let uri = Address::of_session(&session, path);
            let expected = Address::Session { id: session.clone(), path: path.to_owned() };
            assert_eq!(Address::parse(&uri).unwrap(), expected, "{uri}");
            assert!(uri.is_ascii());
            let uri = Address::of_run(&run, &format!("files/{}", encoded(path)));
            let expected = Address::Run { id: run.clone(), part: Part::File(path.to_owned()) };
            assert_eq!(Address::parse(&uri).unwrap(), expected, "{uri}");
        }
        let path = |uri: &str| match Address::parse(&format!("belljar://session/{SESSION}{uri}")).unwrap() {
            Address::Session { path, .. } => path,
            other => panic!("{other:?}"),
        };
        for (uri, expected) in
            [("", "."), ("/", "."), ("/caf%E9", "caf\\xe9"), ("/a%2Fb", "a/b"), ("/%2e%2e/x", "../x"), ("/é", "é")]
        {
            assert_eq!(path(uri), expected);
        }
        let number = Address::parse(&format!("belljar://run/{RUN}/output/12")).unwrap();
        assert_eq!(number, Address::Run { id: run, part: Part::Output(12) });
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let session = |rest: &str| format!("belljar://session/{SESSION}/{rest}");
        let run = |rest: &str| format!("belljar://run/{RUN}{rest}");
        for (uri, reason) in [
            (String::new(), "begin with belljar://"),
            ("file:///etc/passwd".into(), "begin with belljar://"),
            ("belljar:/guide".into(), "begin with belljar://"),
            ("belljar://".into(), "must name guide"),
            ("belljar://guide/x".into(), "must name guide"),
            ("belljar://session".into(), "must be a handle"),
            ("belljar://session/../x".into(), "must be a handle"),
            ("belljar://session/s_%30/x".into(), "must be a handle"),
            (session("a%00b"), "zero byte"),
            (session("a\0b"), "zero byte"),
            (session("a%4"), "two hexadecimal digits"),
            (session("a%zz"), "two hexadecimal digits"),
            (session("a?line=1"), "no query"),
            (session("a#x"), "no fragment"),
            (session(&"x".repeat(MAX_BYTES)), "at most 16384 bytes"),
            (run(""), "go on after a run"),
            (run("/stdin"), "go on after a run"),
            (run("/stdout/x"), "go on after a run"),
            (run("/output/0"), "go on after a run"),
            (run("/output/+1"), "go on after a run"),
            (run("/output/99999999999999999999"), "go on after a run"),
        ] {
            let refused = Address::parse(&uri).unwrap_err().to_string();
            assert!(refused.contains(reason) && refused.len() < 400, "{uri:?}: {refused}");
        }
    }
}
