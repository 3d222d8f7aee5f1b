//! Files of the host: where a path really leads, directories as descriptors,
//! removal of what a program may have made hard to remove, what a disk shows of
//! changes, and the directory that belongs to one server while it lives.

pub(crate) mod canonical;
pub(crate) mod directories;
pub(crate) mod removal;
pub(crate) mod state_directory;
mod traces;
