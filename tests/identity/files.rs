//! The file of keys, and the commands that change it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;
use tests::Server;
use tests::http::{HttpServer, modern};

use crate::caller::{Caller, TENANTS, server};

#[test]
fn a_key_is_printed_once_with_lines_to_paste_and_is_nowhere_after() {
    let server = server(TENANTS);
    let state = server.home().join("state");
    let words = ["--tenant=one", "--scopes=sandbox:read,sandbox:execute", "--expires=90d", "--name=build farm"];
    let output = Server::with()
        .flag(format!("--config={}", server.home().join("belljar.toml").display()))
        .command(&state)
        .args(["keys", "add"])
        .args(words)
        .output()
        .unwrap();
    let (key, lines) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let key = key.strip_suffix('\n').unwrap();
    assert!(key.starts_with("belljar_key_") && !key.contains(char::is_whitespace), "{key}");
    for line in [
        format!(
            "claude mcp add --transport http belljar http://127.0.0.1:7411/mcp --header \"Authorization: Bearer {key}\""
        ),
        format!("export BELLJAR_TOKEN=\"{key}\""),
        "not shown again".to_owned(),
    ] {
        assert!(lines.contains(&line), "{lines}");
    }
    let (done, listed) = server.command(&["keys", "list"]);
    let id = key.strip_prefix("belljar_key_").unwrap().split('_').next().unwrap();
    assert!(done && listed.starts_with(&format!("{id}  one  sandbox:read,sandbox:execute  made ")), "{listed}");
    assert!(listed.contains("  expires ") && listed.trim_end().ends_with("build farm"), "{listed}");
    let secret = key.splitn(4, '_').nth(3).unwrap();
    assert!(secret.len() > 20);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!std::fs::read_to_string(&path).unwrap().contains(secret), "{}", path.display());
            assert_eq!(path.metadata().unwrap().mode() & 0o077, 0, "{}", path.display());
        }
    }
    assert_eq!(Caller::new(&server, key).execute("print(1)").output(), "1\n");
}

#[test]
fn what_no_key_can_be_is_refused_by_name() {
    let server = server("[tenants.one]\n");
    for (words, said) in [
        (&["--scopes=sandbox:read"][..], "one must be named"),
        (&["--tenant=two", "--scopes=sandbox:read"], "there is no tenant `two`"),
        (&["--tenant=../one", "--scopes=sandbox:read"], "must be made of a-z"),
        (&["--tenant=one"], "--scopes"),
        (&["--tenant=one", "--scopes=sandbox:write"], "sandbox:read, sandbox:execute, sandbox:admin"),
        (&["--tenant=one", "--scopes=sandbox:read", "--expires=soon"], "such as 90d"),
        (&["--tenant=one", "--scopes=sandbox:read", "--expires=4294967295d"], "at most 36525d"),
        (&["--tenant=one", "--scopes=sandbox:read", "--ceiling=wall_time=1"], "unknown limit"),
    ] {
        let (done, refused) = server.command(&[&["keys", "add"], words].concat());
        assert!(!done && refused.contains(said), "{words:?}: {refused}");
    }
    let (done, refused) = server.command(&["keys", "revoke", "0000000000"]);
    assert!(!done && refused.contains("no key `0000000000`"), "{refused}");
    let (done, listed) = server.command(&["keys"]);
    assert!(done && listed.is_empty(), "{listed}");
    let one = self::server("");
    let (done, refused) = one.command(&["keys", "add", "--tenant=one", "--scopes=sandbox:read"]);
    assert!(!done && refused.contains("has no tenants") && refused.contains("[tenants.one]"), "{refused}");
}

#[test]
fn a_file_that_is_torn_garbage_or_open_to_others_lets_nobody_in_and_says_so() {
    let server = server(TENANTS);
    let key = server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let caller = Caller::new(&server, &key);
    let path = server.home().join("state/client-keys.json");
    let whole = std::fs::read(&path).unwrap();
    let list = modern("tools/list", json!({}));
    assert_eq!(caller.ask(&list).status, 200);
    let text = String::from_utf8(whole.clone()).unwrap();
    let doubled = text.replacen("\"keys\": [", &format!("\"keys\": [{},", key_entry(&text)), 1);
    let created = text.split("\"created\": ").nth(1).unwrap().split(',').next().unwrap().trim();
    let never = text.replacen(created, "1, \"expires\": 18446744073709551615", 1);
    let broken: [(&[u8], u32); 7] = [
        (never.as_bytes(), 0o600),
        (&whole[..whole.len() / 2], 0o600),
        (b"", 0o600),
        (b"\x00\xff garbage", 0o600),
        (doubled.as_bytes(), 0o600),
        (&whole, 0o644),
        (&whole, 0o620),
    ];
    for (bytes, mode) in broken {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = caller.ask(&list);
        assert_eq!((refused.status, refused.reason().as_str()), (503, "unusable_keys"));
        assert!(refused.field("Retry-After").is_some() && refused.field("WWW-Authenticate").is_none());
        assert!(!server.command(&["keys", "list"]).0);
        assert!(!server.command(&["keys", "add", "--tenant=one", "--scopes=sandbox:read"]).0);
        std::fs::write(&path, &whole).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(caller.ask(&list).status, 200, "it is as it was");
    }
    assert!(server.log().contains("no key lets anybody in"), "{}", server.log());
    // A server does not start over a file that is none of keys.
    std::fs::write(&path, "{}").unwrap();
    let (done, said) = server.command(&["serve", "--listen=127.0.0.1:0"]);
    assert!(!done && said.contains("cannot be understood") && said.contains("client-keys.json"), "{said}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(caller.ask(&list).reason(), "wrong_key", "without a file there are no keys");
}

fn key_entry(text: &str) -> String {
    let contents: serde_json::Value = serde_json::from_str(text).unwrap();
    contents["keys"][0].to_string()
}

#[test]
fn keys_that_are_added_at_once_are_all_there() {
    let server = server("");
    let keys: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| server.add_key(&["--scopes=sandbox:read"]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for key in &keys {
        assert_eq!(Caller::new(&server, key).ask(&modern("tools/list", json!({}))).status, 200);
    }
    assert_eq!(server.command(&["keys"]).1.lines().count(), 8);
}

#[test]
fn one_token_is_not_for_a_server_with_tenants_and_both_ways_serve_one_user() {
    let server = HttpServer::with(Server::with().flag("--authentication=token,keys"));
    server.wait_until_ready();
    let key = server.add_key(&["--scopes=sandbox:read"]);
    let session =
        server.post(&crate::caller::tool("execute", json!({"language": "python", "code": "", "session": "new"})));
    let session = session.reply().session();
    let reader = Caller::new(&server, &key);
    assert!(!reader.tool("read", json!({"session": session})).reply().is_error(), "the same user");
    assert_eq!(reader.tool("session", json!({"action": "list"})).status, 403);
    let other = self::server(TENANTS);
    let config = format!("--config={}", other.home().join("belljar.toml").display());
    let (done, said) = server.command(&["serve", "--listen=127.0.0.1:0", &config]);
    assert!(!done && said.contains("cannot tell which of them calls"), "{said}");
}
