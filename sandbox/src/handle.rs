//! Owners and handles.
//!
//! A handle is unguessable but not a credential: every use names the
//! [`Principal`], and what is someone else's reads like what never was.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Whom a session or run belongs to. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal(Arc<str>);

/// The name of the one user of a server that serves nobody else.
const LOCAL: &str = "local";
/// Names that no tenant may have: [`LOCAL`], and the name of the file which locks the
/// directory in which each tenant has one.
const RESERVED: [&str; 2] = [LOCAL, "lock"];
/// The longest name. It is a directory on the host and a part of paths in the store.
const MAX_NAME_BYTES: usize = 64;

impl Principal {
    /// The one user of a server that was started over stdio.
    pub fn local() -> Self {
        Self(LOCAL.into())
    }

    /// One of several tenants, by a name that the server chose for it. What
    /// clients send must be mapped to one first: whoever could choose a name
    /// would be whom it names.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] for a name that is no safe component of a path,
    /// on file systems that do not tell capitals from small letters either, and
    /// for that of [`Principal::local`].
    pub fn new(name: &str) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
        let refused = |reason: &str| Err(Error::invalid("principal", format!("{reason}, got {shown:?}")));
        if name.len() > MAX_NAME_BYTES {
            return refused(&format!("must be at most {MAX_NAME_BYTES} bytes, has {}", name.len()));
        }
        if !name.bytes().all(is_plain) || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return refused("must be made of a-z, 0-9, - and _, and begin with a letter or digit");
        }
        if RESERVED.contains(&name) {
            return refused("must not be a name that the server uses itself");
        }
        Ok(Self(name.into()))
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// A name that is safe as one component of a path.
    pub fn directory_name(&self) -> &str {
        &self.0
    }
}

/// Which session, and whose. A handle alone finds nothing: another's is looked
/// for among one's own, and is as far away as one that never was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey {
    pub(crate) owner: Principal,
    pub(crate) id: SessionId,
}

/// 128 random bits as 26 letters and digits.
pub(crate) fn random_name() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0_u8; 16];
    // The kernel's generator cannot fail once it is seeded, which it is long
    // before a user can start us; a handle that others could guess is worse
    // than no server.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    let number = u128::from_le_bytes(bytes);
    (0..26).map(|digit| char::from(DIGITS[(number >> (5 * digit)) as usize & 31])).collect()
}

/// How many digits of the handle of a run say which server made it: enough that
/// no two servers over one store have the same, and 100 random bits are left.
const INSTANCE_DIGITS: usize = 6;

/// One start of a server. The handles of its runs begin with it, so that others
/// can say where a run is that is not theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance(String);

impl Instance {
    /// A start of a server whose name no other start has.
    pub(crate) fn random() -> Self {
        Self(random_name().split_off(26 - INSTANCE_DIGITS))
    }

    /// A new, unguessable handle of a run here.
    pub(crate) fn new_run(&self) -> RunId {
        RunId(format!("{self}{}", random_name().split_off(INSTANCE_DIGITS)))
    }
}

/// An instance is written as the handles of its runs begin.
impl fmt::Display for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "r_{}", self.0)
    }
}

impl RunId {
    /// The start of the server that made this run.
    pub(crate) fn instance(&self) -> Instance {
        Instance(self.0.chars().skip("r_".len()).take(INSTANCE_DIGITS).collect())
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// Reads a handle that a caller gave.
            ///
            /// # Errors
            ///
            /// [`Error::InvalidRequest`] when it cannot be one of ours.
            pub fn parse(text: &str) -> Result<Self, Error> {
                let digits = text.strip_prefix($prefix).unwrap_or_default();
                if digits.len() == 26 && digits.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                    return Ok(Self(text.into()));
                }
                let shown: String = text.chars().take(40).collect();
                Err(Error::invalid(
                    $kind,
                    format!(concat!("must be a handle that a tool returned, such as `", $prefix, "…`, got {:?}"), shown),
                ))
            }

            /// The handle as text; safe as one component of a path.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

macro_rules! random {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// Makes a new, unguessable handle.
            pub fn random() -> Self {
                Self(format!(concat!($prefix, "{}"), random_name()))
            }
        }
    };
}

random!(SessionId, "s_");
random!(SnapshotId, "p_");

handle!(
    /// The handle of a session.
    SessionId, "s_", "session"
);
handle!(
    /// The handle of one run.
    RunId, "r_", "run"
);
handle!(
    /// The handle of a snapshot.
    SnapshotId, "p_", "snapshot"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_checked_before_they_are_looked_up() {
        let id = SessionId::random();
        assert_eq!(SessionId::parse(id.as_str()).unwrap(), id);
        for bad in ["", "s_", "new", "s_../../../../../etc/passwd0", "r_00000000000000000000000000"] {
            assert!(SessionId::parse(bad).unwrap_err().to_string().contains("must be a handle"), "{bad}");
        }
    }

    #[test]
    fn the_name_of_a_tenant_is_a_component_of_a_path_and_nobody_elses() {
        for good in ["a", "0", "tenant-7", "u_1", &"x".repeat(MAX_NAME_BYTES)] {
            assert_eq!(Principal::new(good).unwrap().directory_name(), good);
        }
        for (bad, reason) in [
            ("", "begin with a letter or digit"),
            (".", "made of a-z"),
            ("..", "made of a-z"),
            ("-x", "begin with"),
            ("_x", "begin with"),
            ("a/b", "made of"),
            ("a b", "made of"),
            ("A", "made of"),
            ("é", "made of"),
            ("a\0", "made of"),
            ("local", "uses itself"),
            ("lock", "uses itself"),
            (&"x".repeat(MAX_NAME_BYTES + 1), "at most 64 bytes, has 65"),
        ] {
            let refused = Principal::new(bad).unwrap_err().to_string();
            assert!(refused.starts_with("principal ") && refused.contains(reason), "{bad}: {refused}");
        }
    }

    #[test]
    fn the_handle_of_a_run_says_which_server_made_it_and_cannot_be_guessed_from_another() {
        let (here, there) = (Instance::random(), Instance::random());
        let (one, two) = (here.new_run(), here.new_run());
        assert_eq!(RunId::parse(one.as_str()).unwrap(), one);
        assert!(one.instance() == here && two.instance() == here && here != there);
        assert!(one.as_str().starts_with(&here.to_string()) && there.new_run().instance() == there);
        let same = one.as_str().bytes().zip(two.as_str().bytes()).skip(8).filter(|(one, two)| one == two).count();
        assert!(same < 10, "{one} {two}");
    }
}
