//! The file of the audit log: what becomes of lines and of runs where it is full, gone,
//! another's or torn.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tests::eventually;
use tests::http::{HttpServer, modern};

use crate::audit::{execute, lines, of, with_log};
use crate::disk::Disk;

/// The lines of a log that was on a disk that was full, where one line may be there in part.
fn whole_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.len() + 1 >= text.lines().count(), "{text}");
    lines
}

#[test]
fn a_file_that_was_rotated_is_left_and_one_that_others_can_write_keeps_the_server_from_starting() {
    let home = tempfile::tempdir().unwrap();
    let (path, old) = (home.path().join("audit.jsonl"), home.path().join("audit.jsonl.1"));
    let server = with_log(&path).start();
    server.assert_usable();
    std::fs::rename(&path, &old).unwrap();
    server.assert_usable();
    assert_eq!((of(&lines(&old), "run.ended").len(), of(&lines(&path), "run.ended").len()), (1, 1));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(server);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let command = with_log(&path).without_handshake().start();
    assert_eq!(command.wait().code(), Some(2));
    assert!(command.log().contains("others may use it (its mode is 622); `chmod 600`"), "{}", command.log());
}

#[test]
fn on_a_full_disk_nothing_runs_that_cannot_be_written_down_and_what_has_run_is_written_later() {
    let disk = Disk::new("size=256k");
    let path = disk.path().join("audit.jsonl");
    let server = HttpServer::with(with_log(&path));
    server.wait_until_ready();
    let waits = "import os\nwhile not os.path.exists('go'): pass\nprint('went')";
    let handle = server.post(&execute(json!({"language": "python", "code": "", "session": "new"}))).reply().session();
    let call = execute(json!({"language": "python", "code": waits, "session": handle}));
    let mut connection = server.connect();
    connection.send(&server.request(&call));
    eventually("the run to be admitted", || (of(&lines(&path), "run.admitted").len() == 2).then_some(()));
    let filler = disk.fill(false);
    // What is left of the last page takes some lines.
    let mut runs = 0;
    let refused = loop {
        let reply = server.execute("print('runs')");
        if reply.is_error() {
            break reply;
        }
        runs += 1;
    };
    let said = refused.refusal();
    assert!(said.contains("what runs here is written down first, and that fails: No space left on device"), "{said}");
    assert!(!said.contains(path.to_str().unwrap()), "{said}");
    let answer = server.get("/readyz");
    assert!(answer.status == 503 && answer.body.contains("audit log"), "{answer:?}");
    assert!(server.log().contains(path.to_str().unwrap()), "{}", server.log());
    // What runs nothing goes on, and what runs comes to its end.
    let read = server.post(&modern("tools/call", json!({"name": "read", "arguments": {"session": handle}})));
    assert_eq!(read.status, 200, "{read:?}");
    drop(connection);
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
    let ended = |lines: &[Value], call: u64| of(lines, "run.ended").iter().any(|line| line["call"] == call);
    assert!(!ended(&whole_lines(&path), 2), "there is no room for it");
    std::fs::remove_dir_all(filler).unwrap();
    assert_eq!(server.execute("print('runs')").output(), "runs\n");
    let said = whole_lines(&path);
    let admitted = of(&said, "run.admitted");
    assert_eq!(admitted.len(), 2 + runs + 1, "{said:?}");
    assert!(admitted.iter().all(|line| ended(&said, line["call"].as_u64().unwrap())), "{said:?}");
    assert_eq!(of(&said, "log.gap")[0]["left_out"], 1, "that a call was refused");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn where_the_operator_says_so_runs_go_on_without_it_and_the_log_says_how_many_lines_it_has_not() {
    let disk = Disk::new("size=256k");
    let path = disk.path().join("audit.jsonl");
    let server = HttpServer::with(with_log(&path).flag("--audit-failure=continue"));
    server.wait_until_ready();
    let filler = disk.fill(false);
    // What is left of the last page takes some lines.
    let refused = || server.log().contains("the audit log cannot be written");
    eventually("the disk to be full", || {
        assert_eq!(server.execute("print('runs')").output(), "runs\n");
        refused().then_some(())
    });
    assert_eq!(server.execute("print('runs')").output(), "runs\n");
    assert_eq!(server.get("/readyz").status, 200);
    std::fs::remove_dir_all(filler).unwrap();
    server.execute("");
    let text = std::fs::read_to_string(&path).unwrap();
    let gap = text.lines().find(|line| line.contains("log.gap")).unwrap();
    assert!(serde_json::from_str::<Value>(gap).unwrap()["left_out"].as_u64() >= Some(2), "{gap}");
}

#[test]
fn a_line_that_a_killed_server_left_in_part_spoils_no_other() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.jsonl");
    std::fs::write(&path, "{\"time\":\"2026").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = with_log(&path).start();
    // The line is torn as by another server that finds the disk full.
    use std::io::Write as _;
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"torn").unwrap();
    server.assert_usable();
    let text = std::fs::read_to_string(&path).unwrap();
    let (whole, torn): (Vec<_>, Vec<_>) = text.lines().partition(|line| serde_json::from_str::<Value>(line).is_ok());
    assert_eq!((torn, whole.len()), (vec!["{\"time\":\"2026", "{\"torn"], 3), "{text}");
}

#[test]
fn a_server_that_may_go_on_without_it_begins_without_it_unless_others_can_write_it() {
    let disk = Disk::new("size=256k,nr_inodes=16");
    let path = disk.path().join("audit.jsonl");
    let filler = disk.fill(true);
    let command = with_log(&path).without_handshake().start();
    assert_eq!(command.wait().code(), Some(2), "the control: {}", command.log());
    let server = with_log(&path).flag("--audit-failure=continue").start();
    server.assert_usable();
    std::fs::remove_dir_all(filler).unwrap();
    server.assert_usable();
    let said = lines(&path);
    assert_eq!((&said[0]["event"], &said[0]["left_out"]), (&json!("log.gap"), &json!(3)), "{said:?}");
    drop(server);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let command = with_log(&path).flag("--audit-failure=continue").without_handshake().start();
    assert_eq!(command.wait().code(), Some(2), "{}", command.log());
}
