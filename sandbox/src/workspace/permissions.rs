//! What of a file's mode outlasts a run.

use serde::{Deserialize, Serialize};

/// Who may read, write and execute a file or directory: the nine bits of
/// permissions. Never set-user-id, set-group-id or sticky, which give rights
/// that nothing here should have. Its owner may always read it, and change and
/// enter it if it is a directory: what the server cannot look into it cannot
/// keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mode(u16);

impl Mode {
    /// The mode of a file that the server makes. Who gets into a workspace at all is
    /// decided by the mode of the workspace itself.
    pub(crate) const NEW_FILE: Self = Self(0o644);
    /// The permissions that are kept whatever a mode is.
    const LEAST_OF_FILE: u16 = 0o400;
    const LEAST_OF_DIRECTORY: u16 = 0o700;

    /// What is kept of an `st_mode`, see inode(7).
    pub(crate) const fn of(st_mode: u32, is_directory: bool) -> Self {
        let least = if is_directory { Self::LEAST_OF_DIRECTORY } else { Self::LEAST_OF_FILE };
        Self((st_mode & 0o777) as u16 | least)
    }

    /// Whether this is a mode that [`Mode::of`] makes.
    pub(crate) fn is_sound(self, is_directory: bool) -> bool {
        self == Self::of(self.0.into(), is_directory)
    }
}

impl From<Mode> for nix::sys::stat::Mode {
    fn from(mode: Mode) -> Self {
        Self::from_bits_truncate(mode.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_kept_and_nothing_that_gives_rights() {
        for (st_mode, file, directory) in [
            (0o100_644, 0o644, 0o744),
            (0o100_755, 0o755, 0o755),
            (0o106_711, 0o711, 0o711),
            (0o041_777, 0o777, 0o777),
            (0o100_444, 0o444, 0o744),
            (0o100_200, 0o600, 0o700),
            (0o100_000, 0o400, 0o700),
        ] {
            assert_eq!((Mode::of(st_mode, false), Mode::of(st_mode, true)), (Mode(file), Mode(directory)));
            assert!(Mode(file).is_sound(false) && Mode(directory).is_sound(true));
        }
        for mode in [0o4700, 0o1700, 0o10_700, 0o200, 0] {
            assert!(!Mode(mode).is_sound(false) && !Mode(mode).is_sound(true), "{mode:o}");
        }
        assert!(Mode(0o400).is_sound(false) && !Mode(0o600).is_sound(true));
    }
}
