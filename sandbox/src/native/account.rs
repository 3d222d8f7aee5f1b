//! The user that a program finds itself to be. The host's list of users is not
//! shown: one is made for the run, with its own user in it.
//!
//! Only a root of its own can have a list at the place where programs look for
//! it. Without one they find no name for their number, so the commands that say
//! it are given beside the program, first on its path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a user is called who is not named by the environment of the run.
const NAME: &str = "belljar";

/// The user of a root of its own.
const INSIDE_ID: u32 = 1000;

/// The longest name of a user, as systems have it.
const MAX_NAME_BYTES: usize = 32;

/// Where the commands lie among what a run is given.
pub(super) const COMMANDS: &str = "bin";

/// Commands that say who the user is.
const NAMES: [&str; 4] = ["getent", "id", "logname", "whoami"];

/// The script that stands for each of these commands.
const COMMAND: &[u8] = include_bytes!("account.sh");

/// Name and home of the user of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    home: PathBuf,
}

impl Account {
    /// The user that the environment names, at home in `workspace` if it does
    /// not say otherwise. What cannot stand in a list of users is not taken.
    pub(super) fn new(env: &BTreeMap<String, String>, workspace: &Path) -> Self {
        let name = ["LOGNAME", "USER"].iter().find_map(|name| env.get(*name)).filter(|name| is_name(name));
        let is_home = |home: &&String| home.starts_with('/') && !home.contains([':', '\n']);
        Self {
            name: name.map_or(NAME, String::as_str).to_owned(),
            home: env.get("HOME").filter(is_home).map_or_else(|| workspace.to_path_buf(), PathBuf::from),
        }
    }

    /// Files of a root of its own: where each is to be, and its content.
    pub(super) fn lists(&self) -> [(&'static str, String); 2] {
        let (name, home) = (&self.name, self.home.display());
        let users = format!(
            "root:x:0:0:root:/root:/usr/sbin/nologin\n\
             {name}:x:{INSIDE_ID}:{INSIDE_ID}::{home}:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        [("/etc/passwd", users), ("/etc/group", format!("root:x:0:\n{name}:x:{INSIDE_ID}:\nnogroup:x:65534:\n"))]
    }

    /// Files of a program without a root of its own: their names, and content.
    pub(super) fn commands() -> impl Iterator<Item = (&'static str, &'static [u8])> {
        NAMES.into_iter().map(|name| (name, COMMAND))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('-')
        && name.bytes().all(is_plain)
        && !matches!(name, "root" | "nobody")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(env: &[(&str, &str)]) -> Account {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Account::new(&env, Path::new("/workspace"))
    }

    #[test]
    fn a_user_is_who_the_environment_names_and_cannot_be_several() {
        let users = |account: &Account| account.lists()[0].1.clone();
        let plain = account(&[]);
        assert!(users(&plain).contains("\nbelljar:x:1000:1000::/workspace:/bin/bash\n"), "{plain:?}");
        let named = account(&[("USER", "alice"), ("HOME", "/workspace/home")]);
        assert!(users(&named).contains("\nalice:x:1000:1000::/workspace/home:/bin/bash\n"), "{named:?}");
        for name in ["", "a:0", "a\nroot:x:0:0", "root", "-u", &"x".repeat(33)] {
            assert_eq!(account(&[("LOGNAME", name)]).name, "belljar", "{name:?}");
        }
        for home in ["relative", "/a:b", "/a\nb:x:0:0"] {
            assert_eq!(account(&[("HOME", home)]), plain, "{home:?}");
        }
    }
}
