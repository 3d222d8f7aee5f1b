//! What waits for its turn, and for whom.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::Reply;

use crate::caller::{Caller, TENANTS, server, tool};
use crate::keys::{ENDLESS, id_of};

/// A directory of this name somewhere beneath another, not in the store.
fn beneath(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let folders = entries.filter(|path| path.is_dir() && !path.is_symlink() && !path.ends_with("store"));
    folders.into_iter().find_map(|path| if path.ends_with(name) { Some(path) } else { beneath(&path, name) })
}

#[test]
fn whoever_is_gone_when_its_turn_comes_has_changed_nothing() {
    let server = server(TENANTS);
    let key = || server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let (gone, kept) = (key(), key());
    let (gone, kept) = (Caller::new(&server, &gone), Caller::new(&server, &kept));
    let session = kept.execute_in("new", "x = 1").session();
    let act = |action: &str| json!({"action": action, "session": session});
    let kept_snapshot = kept.tool("session", act("snapshot")).reply().structured()["snapshot"]["id"].clone();
    assert!(kept_snapshot.is_string());
    assert_eq!(kept.execute_in(&session, "x = 2\nprint(x)").output(), "2\n");
    let of_snapshot = |action: &str| json!({"action": action, "session": session, "snapshot": kept_snapshot});
    let write = |name: &str| json!({"session": session, "path": name, "text": "x"});
    let running = |wanted: u64| {
        tests::eventually("runs to begin or to end", || (kept.health()["runs_active"] == wanted).then_some(()));
    };

    let holds = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)";
    let execute = |code: &str, session: Option<&str>| {
        let mut arguments = json!({"language": "python", "code": code, "limits": {"wall_time_ms": 300_000}});
        if let Some(session) = session {
            arguments["session"] = session.into();
        }
        tool("execute", arguments)
    };
    let send = |caller: &Caller<'_>, message: &Value| {
        let mut connection = server.connect();
        connection.send(&caller.request(message));
        connection
    };
    let mut held = send(&kept, &execute(holds, Some(&session)));
    running(1);
    let changes = |name: &str| {
        [
            tool("write", write(name)),
            tool("session", act("snapshot")),
            tool("session", act("fork")),
            tool("session", of_snapshot("restore")),
            tool("session", of_snapshot("close")),
        ]
    };
    let mut revoked: Vec<_> = changes("revoked").iter().map(|message| send(&gone, message)).collect();
    let mut broken: Vec<_> = changes("broken").iter().map(|message| send(&kept, message)).collect();
    // The control: one call waits for it.
    let mut written = send(&kept, &tool("write", write("written")));
    broken.push(send(&kept, &execute(ENDLESS, None)));
    running(2);
    // All calls wait: the head of an answer is out before it.
    for connection in revoked.iter_mut().chain(&mut broken).chain([&mut held, &mut written]) {
        assert_eq!(connection.answer_head().unwrap().status, 200);
    }
    drop(broken);
    assert!(server.command(&["keys", "revoke", &id_of(gone.key)]).0);
    for mut connection in revoked {
        while let Some(event) = connection.event() {
            assert!(event.get("result").is_none(), "{event}");
        }
    }
    running(1);
    std::fs::write(beneath(server.home(), &session).unwrap().join("go"), "").unwrap();
    Reply::of(held.event().unwrap()).assert_status("exited 0");
    assert!(!Reply::of(written.event().unwrap()).is_error());

    let left = kept.execute_in(&session, "import os\nprint(x, sorted(os.listdir('.')))");
    assert_eq!(left.output(), "2 ['go', 'written']\n");
    let snapshots = kept.tool("session", act("list")).reply().structured()["snapshots"].clone();
    assert_eq!(snapshots.as_array().unwrap().len(), 1, "{snapshots}");
    let sessions = kept.tool("session", json!({"action": "list"})).reply().structured()["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
}
