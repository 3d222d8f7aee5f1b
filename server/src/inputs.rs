//! What a program is given beside its text, by digests: whoever has the same can show that
//! it was that, and nobody reads it out of them.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use sandbox::{ExecuteRequest, InputFile};
use serde::Serialize;

/// Standard input, arguments and files of one call. What there is none of is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Inputs {
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin_sha256: Option<String>,
    /// The digest of all arguments, with a zero byte behind each.
    #[serde(skip_serializing_if = "Option::is_none")]
    args_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
}

/// All files together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Files {
    count: usize,
    bytes: u64,
    /// The digest of what sha256sum(1) says of the files.
    sha256: String,
}

impl Inputs {
    pub(crate) fn of(request: &ExecuteRequest) -> Self {
        let args = || request.program.args.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| sha256(bytes));
        Self {
            stdin_sha256: some(&request.program.stdin),
            args_sha256: some(&args()),
            files: (!request.files.is_empty()).then(|| Files::of(&request.files)),
        }
    }
}

impl Files {
    fn of(files: &[InputFile]) -> Self {
        let mut list = String::new();
        for InputFile { path, bytes } in files {
            // A string takes all that is written to it.
            let _ = writeln!(list, "{}  {path}", sha256(bytes));
        }
        let bytes = files.iter().map(|file| file.bytes.len() as u64).sum();
        Self { count: files.len(), bytes, sha256: sha256(list.as_bytes()) }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use sandbox::{Program, WorkspacePath};

    use super::*;

    #[test]
    fn digests_are_those_that_the_tools_of_a_machine_give() {
        assert_eq!(Inputs::of(&ExecuteRequest::default()), Inputs::default());
        let file =
            |path: &str, text: &str| InputFile { path: WorkspacePath::new("path", path).unwrap(), bytes: text.into() };
        let program = Program { args: vec!["a".into(), "b c".into()], stdin: "in".into(), ..Program::default() };
        let files = vec![file("f", "one"), file("d/g", "two")];
        let Inputs { stdin_sha256, args_sha256, files } =
            Inputs::of(&ExecuteRequest { program, files, ..ExecuteRequest::default() });
        // printf in | sha256sum; printf 'a\0b c\0' | sha256sum; sha256sum f d/g | sha256sum
        assert_eq!(stdin_sha256.unwrap(), "582967534d0f909d196b97f9e6921342777aea87b46fa52df165389db1fb8ccf");
        assert_eq!(args_sha256.unwrap(), "398daf8b98eb62e969b3adbb7eadb1cf8afb367a15cf22704324cb353e9354bc");
        let Files { count, bytes, sha256 } = files.unwrap();
        assert_eq!(
            (count, bytes, &*sha256),
            (2, 6, "69db5626dbc7ac8d9412db8ebdb11736add9d6926e7cc1bcca4f74e4d96ec56e")
        );
    }
}
