//! Keys: who has none that is good, and what becomes of what goes on when one is taken
//! back.

use serde_json::json;
use tests::http::{Request, modern};

use crate::caller::{Caller, TENANTS, server, tool};

pub(crate) const ENDLESS: &str = "print('begun', flush=True)\nwhile True: pass";

pub(crate) fn id_of(key: &str) -> String {
    key.strip_prefix("belljar_key_").unwrap().split('_').next().unwrap().to_owned()
}

#[test]
fn whoever_has_no_good_key_is_refused_by_the_reason_and_challenged() {
    let server = server(TENANTS);
    let good = server.add_key(&["--tenant=one", "--scopes=sandbox:read"]);
    let short = server.add_key(&["--tenant=one", "--scopes=sandbox:read", "--expires=1s"]);
    let list = modern("tools/list", json!({}));
    assert_eq!(Caller::new(&server, &good).ask(&list).status, 200);
    tests::eventually("the key to expire", || (Caller::new(&server, &short).ask(&list).status == 401).then_some(()));
    let revoked = server.add_key(&["--tenant=two", "--scopes=sandbox:admin"]);
    assert_eq!(Caller::new(&server, &revoked).ask(&list).status, 200);
    assert!(server.command(&["keys", "revoke", &id_of(&revoked)]).0);
    let (cut, upper) = (good[..good.len() - 1].to_owned(), good.to_uppercase());
    let request = |fields: &[&str]| {
        let request = Request::post(server.address(), list.to_string().as_bytes());
        fields.iter().fold(request, |request, field| request.and("Authorization", field))
    };
    let bearer = |key: &str| format!("Bearer {key}");
    for (fields, reason, error) in [
        (vec![], "no_token", None),
        (vec!["Basic YTpi".to_owned()], "no_token", None),
        (vec![good.clone()], "no_token", None),
        (vec![bearer("")], "no_token", None),
        (vec![bearer("belljar_key_")], "wrong_key", Some("invalid_token")),
        (vec![bearer(&cut)], "wrong_key", Some("invalid_token")),
        (vec![bearer(&upper)], "wrong_key", Some("invalid_token")),
        (vec![bearer(&id_of(&good))], "wrong_key", Some("invalid_token")),
        (vec![bearer(&"x".repeat(4000))], "wrong_key", Some("invalid_token")),
        (vec![bearer(&revoked)], "wrong_key", Some("invalid_token")),
        (vec![bearer(&short)], "expired", Some("invalid_token")),
        (vec![bearer(&good), bearer(&good)], "several_tokens", Some("invalid_request")),
        (vec![bearer(&good), "Basic YTpi".to_owned()], "several_tokens", Some("invalid_request")),
    ] {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let answer = server.connect().ask(&request(&fields));
        let status = if reason == "several_tokens" { 400 } else { 401 };
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{fields:?}");
        let challenge = answer.field("WWW-Authenticate").unwrap();
        let said = challenge.split("error=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(challenge.starts_with("Bearer ") && said == error, "{fields:?}: {challenge}");
        assert!(!answer.body.contains(&good), "it says what it was given");
    }
    // A key in an address is none.
    let in_address = request(&[]).line(&format!("POST /mcp?access_token={good} HTTP/1.1"));
    assert_eq!(server.connect().ask(&in_address).status, 400);
    for key in [&good, &revoked, &short] {
        assert!(!server.log().contains(key.as_str()), "a key is in the log");
    }
}

#[test]
fn a_key_that_is_revoked_takes_what_goes_on_with_it_and_nothing_of_another() {
    let server = server(TENANTS);
    let key = || server.add_key(&["--tenant=one", "--scopes=sandbox:execute"]);
    let (gone, kept) = (key(), key());
    let (gone, kept) = (Caller::new(&server, &gone), Caller::new(&server, &kept));
    let endless = |progress: bool| {
        let mut call =
            tool("execute", json!({"language": "python", "code": ENDLESS, "limits": {"wall_time_ms": 300_000}}));
        if progress {
            call["params"]["_meta"]["progressToken"] = "p".into();
        }
        call
    };
    let session = gone.hello();
    let (mut quiet, mut told, mut other, mut waits) =
        (server.connect(), server.connect(), server.connect(), server.connect());
    quiet.send(&gone.request(&endless(false)));
    told.send(&gone.request(&endless(true)));
    other.send(&kept.request(&endless(true)));
    for connection in [&mut told, &mut other] {
        connection.answer_head().unwrap();
        connection.event().unwrap();
    }
    quiet.answer_head().unwrap();
    let listen = gone.in_session(&session, &json!({})).line("GET /mcp HTTP/1.1").field("Content-Length", "0");
    waits.send(&listen);
    assert_eq!(waits.answer_head().unwrap().status, 200);
    let running = |wanted: u64| {
        tests::eventually("runs to begin or to end", || (kept.health()["runs_active"] == wanted).then_some(()));
    };
    running(3);
    let (done, said) = server.command(&["keys", "revoke", &id_of(gone.key)]);
    assert!(done && said.contains("is revoked"), "{said}");
    // The next request is refused at once.
    let refused = gone.tool("health_check", json!({}));
    assert_eq!((refused.status, refused.reason().as_str()), (401, "wrong_key"));
    assert!(quiet.event().is_none());
    while let Some(event) = told.event() {
        assert!(event.get("result").is_none(), "{event}");
    }
    assert!(waits.event().is_none());
    running(1);
    drop(other);
    running(0);
}

#[test]
fn nobody_asks_and_a_revoked_key_ends_what_goes_on_all_the_same() {
    let server = server("");
    let key = server.add_key(&["--scopes=sandbox:execute"]);
    let mut connection = server.connect();
    connection.send(&Caller::new(&server, &key).request(&tool(
        "execute",
        json!({"language": "python", "code": ENDLESS, "limits": {"wall_time_ms": 300_000}}),
    )));
    assert_eq!(connection.answer_head().unwrap().status, 200);
    // No request has the server look at the file here.
    assert!(server.command(&["keys", "revoke", &id_of(&key)]).0);
    assert!(connection.event().is_none());
}

#[test]
fn a_key_lowers_what_its_runs_may_use() {
    let server = server("");
    let key =
        server.add_key(&["--scopes=sandbox:execute", "--ceiling=wall_time_ms=20000", "--ceiling", "output_bytes=512"]);
    let caller = Caller::new(&server, &key);
    let call = |limits: serde_json::Value| {
        caller.tool("execute", json!({"language": "python", "code": "print('x' * 2000)", "limits": limits})).reply()
    };
    let reply = call(json!({}));
    assert_eq!(reply.structured()["limits"], json!({"wall_time_ms": 20_000, "output_bytes": 512}), "{}", reply.text());
    let refused = call(json!({"wall_time_ms": 20_001}));
    assert!(refused.refusal().contains("limits.wall_time_ms must be at most 20000"), "{}", refused.text());
    assert_eq!(call(json!({"wall_time_ms": 5000})).structured()["limits"]["wall_time_ms"], 5000);
    let (_, listed) = server.command(&["keys"]);
    assert!(listed.contains("wall_time_ms=20000,output_bytes=512"), "{listed}");
    let (done, said) = server.command(&["keys", "add", "--scopes=sandbox:read", "--ceiling=wall_time_ms=1"]);
    assert!(!done && said.contains("must be at least 10"), "{said}");
}
