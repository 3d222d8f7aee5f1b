//! Numbers of WASI preview 1, type `errno`.

pub(super) const SUCCESS: i32 = 0;
pub(super) const ACCES: i32 = 2;
pub(super) const BADF: i32 = 8;
pub(super) const EXIST: i32 = 20;
pub(super) const FAULT: i32 = 21;
pub(super) const INVAL: i32 = 28;
pub(super) const IO: i32 = 29;
pub(super) const LOOP: i32 = 32;
pub(super) const MFILE: i32 = 33;
pub(super) const NAMETOOLONG: i32 = 37;
pub(super) const NOENT: i32 = 44;
pub(super) const NOSPC: i32 = 51;
pub(super) const NOTDIR: i32 = 54;
pub(super) const NOTSUP: i32 = 58;
pub(super) const PERM: i32 = 63;
pub(super) const SPIPE: i32 = 70;
pub(super) const STALE: i32 = 72;
