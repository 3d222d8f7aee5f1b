//! What `tests/fuzz` gives to the border between server and jailer.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::confinement::{
    Access, Cause, Confinement, Descriptor, Ended, Enforced, GivenFile, Identity, Mount, Program, Refusal, Report,
    Scratch, Step, Stop, TreeLimits, TreeUsage,
};
use crate::control;

/// How an input is sent: the first byte says.
const TO_THE_SERVER: u8 = 1;
/// The input is sent with the length that it has, instead of one that it claims.
const MEASURED: u8 = 2;
const A_WORD: u8 = 4;
/// Two bits that say how many descriptors come with the input.
const DESCRIPTORS: u32 = 3;

/// Messages as both ends send them.
pub fn seeds() -> Vec<Vec<u8>> {
    let usage =
        TreeUsage { wall_time_ms: Some(300), cpu_time_ms: None, memory_bytes: Some(1 << 40), processes: Some(2) };
    let reports = [
        Report::Refused(Refusal { step: Step::Landlock, errno: Some(13), detail: "restrict: denied".into() }),
        Report::Started(Enforced { namespaces: true, identity: false, landlock_abi: 6, cgroups: 2, own_locks: true }),
        Report::Ended(Ended { wait_status: Some(9), cause: Some(Cause::Memory), usage }),
        Report::Ended(Ended { wait_status: None, cause: None, usage: TreeUsage::default() }),
    ];
    let with = |flags: u8, bytes: Vec<u8>| [vec![flags], bytes].concat();
    let mut seeds: Vec<_> = reports.iter().map(|report| with(TO_THE_SERVER | MEASURED, body(report))).collect();
    for descriptors in [Vec::new(), vec![Descriptor::Input, Descriptor::CgroupProcs]] {
        let flags = MEASURED | u8::try_from(descriptors.len()).unwrap_or(0) << DESCRIPTORS;
        seeds.push(with(flags, body(&confinement(descriptors))));
    }
    let whole = body(&confinement(Vec::new()));
    let length = u32::try_from(whole.len()).unwrap_or(0).to_le_bytes();
    seeds.push(with(0, [&length[..], &whole].concat()));
    seeds.push(with(A_WORD, b"a".to_vec()));
    seeds
}

fn confinement(descriptors: Vec<Descriptor>) -> Confinement {
    Confinement {
        parent: 4242,
        program: Program {
            path: "/usr/bin/python3".into(),
            args: vec!["python3".into(), "-I".into()],
            env: vec![("PATH".into(), "/usr/bin".into())],
            directory: "/workspace".into(),
        },
        mounts: vec![
            Mount { source: "/usr".into(), destination: "/usr".into(), access: Access::Read },
            Mount { source: "/state/s".into(), destination: "/workspace".into(), access: Access::Write },
            Mount { source: "/srv".into(), destination: "/data".into(), access: Access::Granted },
            Mount { source: "/srv/out".into(), destination: "/out".into(), access: Access::GrantedWrite },
        ],
        namespaces: true,
        scratch: vec![Scratch { destination: "/dev/shm".into(), bytes: 1 << 28, files: 10_000 }],
        files: vec![GivenFile { path: "/run/given/main.py".into(), content: "print()".into() }],
        settings: Some("/state/settings".into()),
        identity: Some(Identity { uid: 64_242, gid: 64_242 }),
        landlock_abi: 6,
        limits: TreeLimits {
            wall_time_ms: 30_000,
            cpu_time_ms: 30_000,
            memory_bytes: 1 << 28,
            disk_bytes: 1 << 28,
            disk_files: 10_000,
            open_files: 64,
            processes: 64,
            grace_ms: 100,
        },
        descriptors,
    }
}

/// Has an end of the connection read what the other, or who took its place, may
/// say. What it takes it can say itself, and then it is the same.
pub fn messages(data: &[u8]) {
    let Some((flags, bytes)) = data.split_first() else { return };
    let (mut here, there) = UnixStream::pair().expect("two sockets can be made");
    if flags & A_WORD != 0 {
        here.write_all(bytes).expect("there is room for it");
        drop(here);
        let asks = bytes.first() == Some(&b'a');
        assert_eq!(control::receive_stop(&there), if asks { Stop::Ask } else { Stop::Kill }, "what is unclear kills");
        return;
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let message = if flags & MEASURED == 0 { bytes.to_vec() } else { [&length[..], bytes].concat() };
    if message.is_empty() {
        return;
    }
    let count = usize::from(flags >> DESCRIPTORS) & 3;
    let raw: Vec<RawFd> = vec![there.as_fd().as_raw_fd(); count];
    let rights = [ControlMessage::ScmRights(&raw)];
    let with_descriptors: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let parts = [std::io::IoSlice::new(&message)];
    let sent = sendmsg::<()>(here.as_raw_fd(), &parts, with_descriptors, MsgFlags::empty(), None);
    here.write_all(&message[sent.expect("there is room for it")..]).expect("there is room for it");
    here.shutdown(Shutdown::Write).expect("it is open");
    if flags & TO_THE_SERVER == 0 {
        if let Ok((confinement, descriptors)) = control::receive_confinement(&there) {
            assert_eq!((descriptors.len(), confinement.descriptors.len()), (count, count), "each has its purpose");
            same_again(&confinement);
        }
    } else if let Ok(Some(report)) = control::read_report(&there) {
        same_again(&report);
    }
}

fn body<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).expect("what was decoded can be encoded")
}

fn same_again<T: Serialize + DeserializeOwned>(message: &T) {
    let bytes = body(message);
    let again: T = postcard::from_bytes(&bytes).expect("what was encoded can be decoded");
    assert_eq!(body(&again), bytes, "it is another message");
}
