//! Every target: what it is given, what it must not do, and the memory that it
//! may take.

use super::{control, memory};

/// One border that bytes cross.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Inputs to begin with, made of real values.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Takes an input, and panics where a promise is broken.
    run: fn(&[u8]),
    /// The memory that an input may take: so many KiB, and so many times its size.
    memory: (usize, usize),
}

impl Target {
    /// Takes an input, and panics where it takes too much memory as well.
    pub(crate) fn check(&self, data: &[u8]) {
        let peak = memory::peak_of(|| (self.run)(data));
        let (fixed, growth) = self.memory;
        let bound = (fixed << 10) + growth * data.len();
        assert!(peak <= bound, "{peak} bytes of memory for {} of input, and {bound} are allowed", data.len());
    }
}

const fn target(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8]), memory: (usize, usize)) -> Target {
    Target { name, seeds, run, memory }
}

pub(crate) const TARGETS: &[Target] = &[
    target("control-index", control::seeds, control::believes_an_index, (64, 4)),
    target("control-length", control::seeds, control::believes_a_length, (64, 4)),
    // What crosses between our own processes, whoever took the place of one.
    target("jailer", jailer::fuzzing::seeds, jailer::fuzzing::messages, (256, 128)),
    target("worker-says", sandbox::fuzzing::worker_seeds, sandbox::fuzzing::worker_says, (512, 128)),
    target("server-says", sandbox::fuzzing::server_seeds, sandbox::fuzzing::server_says, (512, 128)),
    // What a guest says.
    target("guest", sandbox::fuzzing::guest_seeds, sandbox::fuzzing::guest, (64, 256)),
    target("call", sandbox::fuzzing::call_seeds, sandbox::fuzzing::call, (64, 16)),
    target("displayed", server::fuzzing::displayed_seeds, server::fuzzing::displayed, (64, 128)),
    // What lies in the store.
    target("sealed", sandbox::fuzzing::sealed_seeds, sandbox::fuzzing::sealed, (64, 32)),
    target("snapshot", sandbox::fuzzing::snapshot_seeds, sandbox::fuzzing::snapshot, (64, 256)),
    target("manifest", sandbox::fuzzing::manifest_seeds, sandbox::fuzzing::manifest, (64, 256)),
    target("memory", sandbox::fuzzing::memory_seeds, sandbox::fuzzing::memory, (8 << 10, 128)),
    // What a client sends.
    target("lines", server::fuzzing::lines_seeds, server::fuzzing::lines, (512, 256)),
    target("arguments", server::fuzzing::arguments_seeds, server::fuzzing::arguments, (256, 256)),
    target("address", server::fuzzing::address_seeds, server::fuzzing::address, (64, 64)),
    target("token", server::fuzzing::token_seeds, server::fuzzing::token, (64, 256)),
    target("path", sandbox::fuzzing::path_seeds, sandbox::fuzzing::path, (64, 128)),
    target("encoding", server::fuzzing::encoding_seeds, server::fuzzing::encoding, (512, 64)),
    target("page", server::fuzzing::page_seeds, server::fuzzing::page, (8 << 10, 256)),
];
