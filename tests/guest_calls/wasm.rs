//! A guest that calls its host well and badly, with the functions of ABI 2: see
//! `guests/caller.wat`.

use serde_json::json;
use tests::{Pending, Reply, RuntimesFolder, Server, Tally};

use crate::told::{steps, told};

const CALLER: Tally =
    Tally { id: "caller", text: Tally::CALLS, abi: 2, build: 20, pages: 32, besides: "", instance: Tally::INSTANCE };

/// `progress` with a message and a fraction; `display` with a text.
const PROGRESS: &str = "256 8 320 33 b ";
const DISPLAY: &str = "272 7 400 16 b ";
/// Waits for an answer, and prints its call, kind and size.
const ANSWER: &str = "1 - 65536 w . 65536 @ . 65540 @ . 65544 @ . ";
/// Takes the answer of that call and prints it.
const TAKE: &str = "65536 @ 70000 1000 t . 70000 65544 @ p ";

struct Guest {
    server: Server,
    _folder: RuntimesFolder,
}

impl Guest {
    fn with(flags: &[&str]) -> Self {
        let folder = RuntimesFolder::with([CALLER]);
        let server = Server::with().flag("--runtimes").flag(folder.path());
        let server = flags.iter().fold(server, |server, flag| server.flag(flag)).start();
        Self { server, _folder: folder }
    }

    fn begin(&self, code: &str) -> Pending {
        self.server.begin("execute", json!({"language": "caller", "code": code}))
    }

    fn run(&self, code: &str) -> Reply {
        self.begin(code).wait()
    }

    #[track_caller]
    fn says(&self, code: &str) -> String {
        self.run(code).output().to_owned()
    }
}

#[test]
fn a_call_is_answered_and_its_client_told() {
    let guest = Guest::with(&[]);
    let (told, reply) = told(&guest.server, guest.begin(&format!("{PROGRESS}. {ANSWER}{TAKE}")));
    assert_eq!(reply.output(), "0 0 0 0 4 0 null");
    // What the guest writes may be told as well, before or after.
    let (numbers, steps): (Vec<_>, Vec<_>) =
        steps(&told).into_iter().partition(|(message, _)| message.contains("null"));
    assert_eq!(steps, [("half", Some(0.5))], "{numbers:?}");
    let shown = guest.begin(&format!("{DISPLAY}{ANSWER}{TAKE}"));
    assert_eq!(shown.wait().output(), "0 0 0 4 0 null");
}

#[test]
fn several_are_in_flight_and_each_answer_is_taken_once() {
    let guest = Guest::with(&[]);
    // Three begun, each of another kind, then their answers.
    let three = format!("{PROGRESS}. 288 7 320 33 b . {DISPLAY}. 3[{ANSWER}{TAKE}10 .]1 - 65536 w . 0 70000 9 t .");
    let said = guest.says(&three);
    assert!(said.starts_with("0 1 2 "), "{said}");
    for answer in ["0 0 0 4 0 null", "0 1 2 76 0 this program", "0 2 0 4 0 null"] {
        assert_eq!(said.matches(answer).count(), 1, "{answer} in {said}");
    }
    // Nothing is in flight, and nothing there to take: BADF.
    assert!(said.ends_with("10 8 8 "), "{said}");
}

#[test]
fn what_is_not_granted_is_refused_with_what_is() {
    let not_there = "this program may not call `nothing`: granted to it are `display`, `progress`";
    let guest = Guest::with(&[]);
    assert!(guest.says(&format!("288 7 320 33 b {ANSWER}{TAKE}")).ends_with(not_there));
    let only = Guest::with(&["--calls=display"]);
    let refused = "this program may not call `progress`: granted to it are `display`";
    assert!(only.says(&format!("{PROGRESS}{ANSWER}{TAKE}")).ends_with(refused));
    assert!(only.says(&format!("{DISPLAY}{ANSWER}{TAKE}")).ends_with("null"), "the control");
    let none = Guest::with(&["--calls="]);
    let nothing = "this program may not call `display`: nothing that its host answers is granted to it";
    assert!(none.says(&format!("{DISPLAY}{ANSWER}{TAKE}")).ends_with(nothing));
    // What is granted and makes no sense fails, and says why.
    let said = guest.says(&format!("256 8 400 16 b {ANSWER}{TAKE}"));
    assert!(said.contains("0 0 1 ") && said.contains("`progress` does not take this: unknown field `text`"), "{said}");
}

#[test]
fn every_bound_is_told_with_its_value_and_not_one_step_too_early() {
    let guest = Guest::with(&[]);
    let refused = |code: &str| guest.says(&format!("{code}{ANSWER}{TAKE}"));
    for (code, expected) in [
        ("65536 64 320 33 b ", "may not call"),
        ("65536 65 320 33 b ", "bytes of the name of a call may be 64 at most, and this is 65"),
        ("256 8 131072 131072 b ", "does not take this"),
        ("256 8 131072 131073 b ", "bytes of a call may be 131072 at most, and this is 131073"),
        ("296 2 320 33 b ", "the name of a call must be UTF-8"),
    ] {
        let said = refused(code);
        assert!(said.contains(expected), "{code}: {said}");
    }
    // Sixteen in flight, answered or not; the next is refused (AGAIN) until one is taken.
    let take = "1 - 65536 w d 65536 @ 0 0 t d ";
    let said = guest.says(&format!("16[{PROGRESS}. ]{PROGRESS}. {take}{PROGRESS}. {PROGRESS}. "));
    assert!(said.ends_with("14 15 -6 16 -6 "), "{said}");
    let said = guest.says(&format!("10000[{PROGRESS}d {take}]{PROGRESS}. {ANSWER}{TAKE}"));
    assert!(said.ends_with("calls of a run may be 10000 at most, and this is 10001"), "{said}");
    assert!(said.starts_with("10000 0 10000 3 "), "{said}");
    assert_eq!(guest.says(&format!("{PROGRESS}. ")), "0 ", "each run has its own");
}

#[test]
fn addresses_and_numbers_that_lead_nowhere_are_answered_as_such() {
    const FAULT: &str = "-21 ";
    let guest = Guest::with(&[]);
    let end = 32 << 16;
    for arguments in [
        "1 - 8 320 33".to_owned(),
        "256 1 - 320 33".to_owned(),
        "256 8 1 - 33".to_owned(),
        "256 8 320 1 -".to_owned(),
        "256 8 320 2147483647".to_owned(),
        "2147483647 2147483647 2147483647 2147483647".to_owned(),
        "1 - 1 - 1 - 1 -".to_owned(),
        format!("{} 8 320 33", end - 7),
        format!("256 8 {} 33", end - 32),
    ] {
        assert_eq!(guest.says(&format!("{arguments} b . ")), FAULT, "{arguments}");
    }
    assert_eq!(guest.says(&format!("{} 0 {} 0 b . ", end, end)), "0 ", "nothing lies at the end of memory");
    for (code, expected) in [
        // Without a place to write to, nothing is waited for or lost.
        (format!("{PROGRESS}d 1 - {} w . 1 - 1 - w . {ANSWER}", end - 11), "21 21 0 0 0 4 "),
        (
            format!("{PROGRESS}d {ANSWER}0 1 - 4 t . 0 {} 4 t . 0 70000 4 t . 0 70000 4 t . ", end - 3),
            "0 0 0 4 21 21 0 8 ",
        ),
        // An answer that was not told of cannot be taken, nor one of no call.
        (format!("{PROGRESS}d 0 70000 4 t . 1 - 70000 4 t . 2147483647 70000 4 t . "), "8 8 8 "),
        (format!("{PROGRESS}d {ANSWER}0 70000 1 - t . 70000 4 p"), "0 0 0 4 0 null"),
        ("0 65536 w . 2147483647 65536 w . ".to_owned(), "8 8 "),
    ] {
        assert_eq!(guest.says(&code), expected, "{code}");
    }
}

#[test]
fn no_call_outlasts_its_run() {
    let guest = Guest::with(&[]);
    let run = |code: &str, session: &str| {
        guest.server.call("execute", json!({"language": "caller", "code": code, "session": session}))
    };
    // The run ends with calls in flight, one of them answered and not taken.
    let first = run(&format!("3[{PROGRESS}. ]{ANSWER}"), "new");
    let session = first.session();
    assert_eq!(first.session_state(), "kept");
    let second = run(&format!("0 65536 w . 0 70000 4 t . 1 70000 4 t . {PROGRESS}. {ANSWER}"), &session);
    assert_eq!(second.output(), "8 8 8 0 0 0 0 4 ");
    let snapshot = guest.server.snapshot(&session);
    run(&format!("5[{PROGRESS}. ]"), &session).output();
    guest.server.session_at("restore", &session, &snapshot).result();
    assert_eq!(run("0 65536 w . 0 70000 4 t . ", &session).output(), "8 8 ");
}
