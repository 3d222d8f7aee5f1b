//! Numbers of WASI preview 1, type `errno`.

pub(super) const SUCCESS: i32 = 0;
pub(super) const BADF: i32 = 8;
pub(super) const FAULT: i32 = 21;
pub(super) const INVAL: i32 = 28;
pub(super) const MFILE: i32 = 33;
pub(super) const NAMETOOLONG: i32 = 37;
pub(super) const NOSPC: i32 = 51;
pub(super) const NOTSUP: i32 = 58;
pub(super) const PERM: i32 = 63;
pub(super) const STALE: i32 = 72;
