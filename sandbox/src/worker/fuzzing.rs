//! What `tests/fuzz` gives to both ends of a worker's connection.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use futures_util::FutureExt as _;
use guest_runtimes::Instance;
use jailer::{Refusal, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pool::expected::{Expectation, Expected};
use super::wire::frame;
use super::wire::protocol::{
    Bounds, FromWorker, Interpreter, MountName, Preparation, Prepared, RunOrder, SessionOrder, ToWorker,
};
use super::wire::report::{Capture, WorkerReport};
use crate::fuzzing::{choice, chosen, same_again};
use crate::handle::SessionId;
use crate::mounts::MountAccess;
use crate::run::calls::{CallError, GuestCall, MAX_CALL_BYTES, MAX_NAME_BYTES};
use crate::run::limits::{Limits, Resource, Usage};
use crate::run::order::Task;
use crate::run::outcome::{GuestError, MAX_RICH_OUTPUTS, Output, RichOutput, Status, Trap};
use crate::run::program::Program;
use crate::run::report::{MAX_FILES, RunReport};
use crate::run::stream::Stream;
use crate::workspace::entry::FileEntry;
use crate::workspace::link::Link;

/// Bits of the first byte of an input.
const PREPARATION: u8 = 1;
/// The input is sent with the length that it has, instead of one that it claims.
const MEASURED: u8 = 2;

/// What workers say.
pub fn worker_seeds() -> Vec<Vec<u8>> {
    let mut usage = Usage::default();
    usage.set(Resource::Fuel, u64::MAX);
    let mut report = RunReport::lost();
    report.status = Status::Trapped(Trap::StackOverflow);
    report.stdout = Output { head: vec![1; 30], tail: vec![2; 20], bytes_seen: 1 << 40 };
    report.result = Some("42".into());
    report.error = Some(GuestError { name: "E".into(), value: "v".into(), traceback: "T".into() });
    report.outputs = vec![RichOutput(vec![("text/plain".into(), "x".into()), ("image/png".into(), "AAAA".into())]); 2];
    report.files = vec![FileEntry { path: "a/b".into(), size_bytes: 1 << 40, is_link: true }; 3];
    report.usage = usage;
    let capture = Some(Capture { keep: 3, parts: vec![1 << 20; 2], tail: vec![300; 2], state: vec![7; 20] });
    let report = WorkerReport { ran: report, warm: true, capture, resident_bytes: 1 << 20 };
    let says = [
        FromWorker::Output { run: 300, stream: Stream::Stderr, bytes: vec![0xff; 50] },
        FromWorker::Call { run: 7, number: 3, call: GuestCall { name: "progress".into(), bytes: b"{}".to_vec() } },
        FromWorker::Finished { run: 7, report: Box::new(report) },
        FromWorker::Failed { run: 1 << 50, reason: "because".into(), passes: false },
        FromWorker::NotHere { run: 1 << 50 },
        FromWorker::NoMemory { run: 9, mebibytes: 300 },
        FromWorker::Fault { run: 9 },
        FromWorker::MemoryAsk { ask: 1, bytes: 1 << 25 },
        FromWorker::MemoryReturn { bytes: 1 << 25 },
    ];
    let refusal = Refusal { step: Step::Seccomp, errno: Some(1), detail: "no".into() };
    let prepared = [
        Prepared::Loaded { image: "0123456789abcdef".repeat(4), initial_bytes: 1 << 24, resets: true },
        Prepared::LoadFailed { image: String::new(), reason: "damaged".into() },
        Prepared::Refused(refusal),
    ];
    let says = says.iter().flat_map(|message| framed(0, message));
    says.chain(prepared.iter().flat_map(|message| framed(PREPARATION, message))).collect()
}

/// What the server says.
pub fn server_seeds() -> Vec<Vec<u8>> {
    let id = SessionId::random();
    let data = MountName { destination: "/data".into(), access: MountAccess::ReadWrite };
    let order = |session| RunOrder {
        run: 5,
        runtime: "python".into(),
        image: "0123456789abcdef".repeat(4),
        session,
        workspace: "state/s".into(),
        links: vec![Link { path: b"bin/run".to_vec(), target: b"../run.sh".to_vec() }],
        task: Task {
            program: Program {
                code: "print('hi')".into(),
                args: vec!["a".into()],
                env: [("NAME".to_owned(), "value".to_owned())].into(),
                stdin: b"in".to_vec(),
            },
            limits: Limits::defaults(),
            spool: "state/5".into(),
        },
        live: true,
        shown: true,
        elsewhere: "python-native: numpy pandas".into(),
        deterministic: false,
        mounts: vec![data.clone()],
    };
    let saved = Interpreter::Saved { lengths: vec![300, 20], state: vec![1; 20] };
    let orders = [
        ToWorker::Run(Box::new(order(None))),
        ToWorker::Run(Box::new(order(Some(SessionOrder { id: id.clone(), interpreter: saved })))),
        ToWorker::Cancel { run: 5 },
        ToWorker::CloseSession { session: id },
        ToWorker::MemoryAnswer { ask: 3, granted: true },
        ToWorker::MemoryRecall,
        ToWorker::Answer { run: 5, call: 3, answer: Ok(b"null".to_vec()) },
        ToWorker::Answer { run: 5, call: 4, answer: Err(CallError::Denied("it may not".into())) },
    ];
    let instance = Instance {
        initial_bytes: 1 << 24,
        minimum_bytes: 1 << 26,
        headroom_bytes: 1 << 21,
        stack_bytes: 1 << 24,
        warm_slots: 16,
        warm_bytes: 1 << 27,
        hot_bytes: 1 << 21,
    };
    let preparations = [
        Preparation::Load { image: "0123456789abcdef".repeat(4), warm: 2, abi: 1, instance },
        Preparation::Mount(data.clone()),
        Preparation::Confine(Bounds { directory: "/state/work".into(), runs: 8, gives_way: true }),
    ];
    let orders = orders.iter().flat_map(|message| framed(0, message));
    orders.chain(preparations.iter().flat_map(|message| framed(PREPARATION, message))).collect()
}

/// A frame with its length, and as one that is measured.
fn framed<T: Serialize>(flags: u8, message: &T) -> [Vec<u8>; 2] {
    let frame = frame::encode(message).expect("it can be encoded");
    [chosen(flags, &frame), chosen(flags | MEASURED, &frame[4..])]
}

/// The bytes on the connection.
fn on_the_wire(flags: u8, bytes: &[u8]) -> Vec<u8> {
    if flags & MEASURED == 0 {
        return bytes.to_vec();
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], bytes].concat()
}

/// Has the server read what a worker says that was broken into.
pub fn worker_says(data: &[u8]) {
    fn read<T: Serialize + DeserializeOwned>(mut stream: &[u8], mut look: impl FnMut(&T)) {
        let wire_bytes = stream.len();
        // Nothing is waited for where all bytes are there.
        while let Some(Ok(Some(message))) = frame::read_async::<T>(&mut stream, || wire_bytes).now_or_never() {
            look(&message);
            same_again(&message);
        }
    }
    let (flags, bytes) = choice(data);
    let wire = on_the_wire(flags, bytes);
    if flags & PREPARATION != 0 {
        return read::<Prepared>(&wire, |_| ());
    }
    let mut expected = Expected::default();
    let limits = Limits::defaults();
    expected.add(7, Expectation { limits, in_session: true, live: false });
    expected.add(300, Expectation { limits, in_session: false, live: true });
    read::<FromWorker>(&wire, |message| {
        if expected.check(message).is_ok() {
            assert!(message.run().is_none_or(|run| run == 7 || run == 300), "nobody asked for it");
            if let FromWorker::Call { call, .. } = message {
                assert!(call.name.len() <= MAX_NAME_BYTES && call.bytes.len() <= MAX_CALL_BYTES, "it is too long");
            }
            let is_over = matches!(message, FromWorker::Finished { .. } | FromWorker::NotHere { .. });
            assert!(!is_over || expected.check(message).is_err(), "it is answered twice");
        }
        if let FromWorker::Finished { report, .. } = message {
            let report = &report.ran;
            assert!(report.files.len() <= MAX_FILES && report.outputs.len() <= MAX_RICH_OUTPUTS);
            assert!(report.outputs.iter().all(|output| output.0.len() <= MAX_RICH_OUTPUTS));
            let kept = report.stdout.bytes_kept() + report.stderr.bytes_kept();
            assert!(kept <= wire.len() as u64, "more was kept than came");
        }
    });
}

/// Has a worker read what the server says, or who took its place.
pub fn server_says(data: &[u8]) {
    let (flags, bytes) = choice(data);
    let (mut here, there) = UnixStream::pair().expect("two sockets can be made");
    here.write_all(&on_the_wire(flags, bytes)).expect("there is room for it");
    drop(here);
    if flags & PREPARATION != 0 {
        while let Ok(Some((message, descriptor))) = frame::read::<Preparation>(&there) {
            assert!(descriptor.is_none(), "none was sent");
            same_again(&message);
        }
    } else {
        while let Ok(Some((message, descriptor))) = frame::read::<ToWorker>(&there) {
            assert!(descriptor.is_none(), "none was sent");
            same_again(&message);
        }
    }
}
