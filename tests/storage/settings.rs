//! What a server says of storage that it cannot use, before it serves and after.

use std::os::unix::fs::PermissionsExt as _;

use tests::eventually;
use tests::http::HttpServer;
use tests::s3::{Fault, S3};
use tests::store_key;

use serde_json::json;

use crate::{House, begin, execute, said, tool, value};

#[test]
fn storage_that_overwrites_what_is_there_is_refused_at_the_start() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    house.server();
    assert!(s3.objects().contains_key("tests/create-if-absent"), "the control");
    s3.overwrite();
    let refused = house.refused(&["serve", "--listen=127.0.0.1:0"]);
    let wanted = format!("failed to keep sessions in s3://belljar/tests at {}: it wrote over an object", s3.endpoint());
    assert!(refused.contains(&wanted) && refused.contains("`If-None-Match: *`"), "{refused}");
}

#[test]
fn what_storage_refuses_is_said_with_the_bucket_and_what_to_do() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    for (code, wanted) in [
        ("AccessDenied", "its credentials may not do that; they need s3:GetObject"),
        ("InvalidAccessKeyId", "its credentials are not known there"),
        ("SignatureDoesNotMatch", "its credentials are not known there"),
        ("RequestTimeTooSkewed", "its clock and that of this machine are too far apart; set this one by NTP"),
        ("NoSuchBucket", "there is no such bucket; make it, or correct `store`"),
    ] {
        s3.fail(move |_| Some(Fault::Refused(code)));
        let refused = house.refused(&["serve", "--listen=127.0.0.1:0"]);
        assert!(refused.contains("failed to write to s3://belljar/tests at http://127.0.0.1:"), "{refused}");
        assert!(refused.contains(wanted), "{code}: {refused}");
    }
    // Some operations may be allowed.
    s3.fail(|asked| (asked.operation == "ListObjectsV2").then_some(Fault::Refused("AccessDenied")));
    let refused = house.refused(&["serve", "--listen=127.0.0.1:0"]);
    assert!(refused.contains("failed to list s3://belljar/tests"), "{refused}");
    s3.fail(|asked| asked.operation.starts_with("Delete").then_some(Fault::Refused("AccessDenied")));
    let refused = house.refused(&["serve", "--listen=127.0.0.1:0"]);
    assert!(refused.contains("failed to remove from s3://belljar/tests"), "{refused}");
    s3.heal();
    house.server();
}

#[test]
fn storage_that_nobody_answers_for_is_told_by_the_server_and_by_doctor() {
    let s3 = S3::start();
    let endpoint = s3.endpoint();
    drop(s3);
    let house = House::over(endpoint);
    let wanted = "s3://belljar/tests at http://127.0.0.1:";
    for words in [&["serve", "--listen=127.0.0.1:0"][..], &["doctor"]] {
        let refused = house.refused(words);
        assert!(refused.contains(wanted) && refused.contains("nobody answers there in time"), "{words:?}: {refused}");
    }
}

#[test]
fn readiness_says_that_the_store_is_lost_and_that_it_is_back() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let server = house.server();
    let session = begin(&server, "x = 41");
    s3.fail(|_| Some(Fault::LostBefore));
    eventually("the server to miss its store", || {
        let answer = server.get("/readyz");
        (answer.status == 503 && answer.body.contains("the store of sessions does not answer")).then_some(())
    });
    assert_eq!(server.get("/healthz").status, 200);
    // What needs no store goes on.
    assert_eq!(server.execute("6 * 7").structured()["result"], "42");
    let lost = execute(&server, &session, "x += 1");
    assert!(lost.refusal().contains("the store of this server does not answer as it should; try again"), "{lost:?}");
    s3.heal();
    eventually("the store to be back", || (server.get("/readyz").status == 200).then_some(()));
    assert_eq!(value(&server, &session, "x += 1\nx"), "42");
    let log = server.log();
    assert!(log.contains("the store is lost") && log.contains("the store answers again"), "{log}");
}

#[test]
fn keys_and_credentials_that_others_can_read_are_refused_and_closed_ones_taken() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let serve = ["serve", "--listen=127.0.0.1:0"];
    let set = |file: &str, mode| {
        let path = house.folder.path().join(file);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set("keys", 0o444);
    let refused = house.refused(&serve);
    assert!(refused.contains("it has 32 bytes and mode 0444"), "{refused}");
    set("keys", 0o440);
    std::fs::write(
        house.folder.path().join("credentials"),
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n",
    )
    .unwrap();
    set("credentials", 0o644);
    let flag = format!("--store-credentials={}", house.folder.path().join("credentials").display());
    assert!(house.refused(&[&flag[..], serve[0], serve[1]]).contains("mode 0644, at most 0640"));
    set("credentials", 0o400);
    let server = HttpServer::with(house.builder().flag(flag));
    server.wait_until_ready();
    std::fs::rename(house.keys(), house.folder.path().join("away")).unwrap();
    let refused = house.refused(&serve);
    assert!(refused.contains("it is named by `store_keys` and must be there: 32 random bytes"), "{refused}");
}

#[test]
fn a_server_that_lacks_a_key_of_the_others_does_not_start_and_goes_on_with_nothing() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let [old, new, foreign] = [7, 8, 9].map(store_key);
    let keys = house.folder.path().join("other keys");
    let write = |ring: &[[u8; 32]]| {
        house.write_keys(&ring.concat());
        std::fs::rename(house.keys(), &keys).unwrap();
    };
    write(&[old]);
    house.write_keys(&old);
    let one = house.server();
    let two = HttpServer::with(house.builder_with(&keys));
    two.wait_until_ready();
    let session = begin(&two, "x = 1");
    // Somebody did not wait until all of them have it.
    house.write_keys(&[new, old].concat());
    assert_eq!(value(&one, &session, "x += 1\nx"), "2");
    let other = begin(&one, "y = 1");
    tool(&one, "session", json!({"action": "close", "session": session}));
    eventually("the server to miss the key", || {
        let answer = two.get("/readyz");
        (answer.status == 503 && answer.body.contains("lacks a key that other servers seal with")).then_some(())
    });
    // What it has in memory is over, by a name that it could not make.
    for code in ["x += 1", "open('f', 'w').close()"] {
        for session in [session.as_str(), "new"] {
            let refused = execute(&two, session, code);
            assert!(refused.is_error() || refused.message.get("error").is_some(), "{refused:?}");
        }
    }
    let refused = execute(&two, "new", "1");
    let lacks = refused.refusal();
    assert!(lacks.contains("servers over this store seal with key") && lacks.contains("`store_keys` names"), "{lacks}");
    // Nor does one start, whose keys are others.
    house.write_keys(&foreign);
    for words in [&["serve", "--listen=127.0.0.1:0"][..], &["doctor"]] {
        let refused = house.refused(words);
        assert!(refused.contains("opening the list of keys in the store is denied"), "{words:?}: {refused}");
    }
    write(&[old, new]);
    assert_eq!(value(&two, &other, "y += 1\ny"), "2", "the control");
    assert!(execute(&two, &session, "x").refusal().contains("it was closed"));
    eventually("the server to be ready", || (two.get("/readyz").status == 200).then_some(()));
}

#[test]
fn keys_of_a_store_are_listed_and_added_in_the_file_that_is_named() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let state = tempfile::tempdir().unwrap();
    let keys = |words: &[&str]| {
        let output = house.builder().command(state.path()).arg("store-keys").args(words).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let added = keys(&["add"]);
    let id = added.split_whitespace().next().unwrap().to_owned();
    assert!(keys(&[]).ends_with(&format!("{id}  opens\n")) && added.contains("seal-with"), "{added}");
    keys(&["seal-with", &id]);
    assert!(keys(&["list"]).starts_with(&format!("{id}  seals\n")));
    assert_eq!(std::fs::read(house.keys()).unwrap().len(), 64);
    let refused = house.refused(&["store-keys", "rotate"]);
    assert!(refused.contains("`belljar store-keys add`, wait until every server has the file"), "{refused}");
}
