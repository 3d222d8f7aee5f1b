//! Owners and handles.
//!
//! A handle is unguessable but not a credential: every use names the
//! [`Principal`], and what is someone else's reads like what never was.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Whom a session or run belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(String);

impl Principal {
    /// The one user of a server that was started over stdio.
    pub fn local() -> Self {
        Self("local".into())
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
    /// Another than every other.
    pub(crate) fn random() -> Self {
        Self(random_name().split_off(26 - INSTANCE_DIGITS))
    }

    /// A new, unguessable handle of a run here.
    pub(crate) fn new_run(&self) -> RunId {
        RunId(format!("{self}{}", random_name().split_off(INSTANCE_DIGITS)))
    }
}

/// As the handles of its runs begin.
impl fmt::Display for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "r_{}", self.0)
    }
}

impl RunId {
    /// The start of a server that it was made by.
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
