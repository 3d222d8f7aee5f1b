//! Numbers of WASI preview 1, type `errno`.

pub(in crate::wasm) const SUCCESS: i32 = 0;
pub(in crate::wasm) const ACCES: i32 = 2;
pub(in crate::wasm) const AGAIN: i32 = 6;
pub(in crate::wasm) const BADF: i32 = 8;
pub(in crate::wasm) const BUSY: i32 = 10;
pub(in crate::wasm) const DQUOT: i32 = 19;
pub(in crate::wasm) const EXIST: i32 = 20;
pub(in crate::wasm) const FAULT: i32 = 21;
pub(in crate::wasm) const INTR: i32 = 27;
pub(in crate::wasm) const INVAL: i32 = 28;
pub(in crate::wasm) const IO: i32 = 29;
pub(in crate::wasm) const ISDIR: i32 = 31;
pub(in crate::wasm) const LOOP: i32 = 32;
pub(in crate::wasm) const MFILE: i32 = 33;
pub(in crate::wasm) const NAMETOOLONG: i32 = 37;
pub(in crate::wasm) const NOENT: i32 = 44;
pub(in crate::wasm) const NOSPC: i32 = 51;
pub(in crate::wasm) const NOTDIR: i32 = 54;
pub(in crate::wasm) const NOTEMPTY: i32 = 55;
pub(in crate::wasm) const NOTSUP: i32 = 58;
pub(in crate::wasm) const PERM: i32 = 63;
pub(in crate::wasm) const ROFS: i32 = 69;
pub(in crate::wasm) const SPIPE: i32 = 70;
pub(in crate::wasm) const STALE: i32 = 72;
pub(in crate::wasm) const TIMEDOUT: i32 = 73;
pub(in crate::wasm) const XDEV: i32 = 75;
