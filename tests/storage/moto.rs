//! Two servers over `moto`.

use serde_json::json;
use tests::moto::Moto;

use crate::{House, begin, execute, tool, value};

#[test]
fn two_servers_alternate_over_one_session_on_s3() {
    let moto = Moto::start();
    let house = House::over(moto.endpoint().to_owned());
    let refused = house.refused(&["serve", "--listen=127.0.0.1:0"]);
    assert!(refused.contains("there is no such bucket; make it, or correct `store`"), "{refused}");
    moto.make_bucket();
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0\nsecret = 'swordfish'\nopen('log', 'w').close()");
    for call in 1..=20 {
        let here = if call % 2 == 0 { &one } else { &two };
        let code = if call % 5 == 0 { "x += 1\nopen('large', 'wb').write(bytes(200_000))\nx" } else { "x += 1\nx" };
        assert_eq!(value(here, &session, code), call.to_string());
    }
    // What else is done to sessions is seen by the other, too.
    let snapshot = tool(&one, "session", json!({"action": "snapshot", "session": session}));
    let snapshot =
        snapshot.structured()["snapshot"]["id"].as_str().unwrap_or_else(|| panic!("{snapshot:?}")).to_owned();
    assert_eq!(value(&two, &session, "x = 'other'\nx"), "'other'");
    tool(&two, "session", json!({"action": "restore", "session": session, "snapshot": snapshot})).structured();
    assert_eq!(value(&one, &session, "x, secret"), "(20, 'swordfish')");
    let fork = tool(&one, "session", json!({"action": "fork", "session": session}));
    let fork = fork.structured()["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(value(&two, &fork, "import os\nx, os.path.getsize('large')"), "(20, 200000)");
    tool(&two, "session", json!({"action": "close", "session": session})).structured();
    let gone = execute(&one, &session, "x");
    assert!(gone.refusal().contains("it was closed"), "{gone:?}");
    assert_eq!(value(&one, &fork, "x"), "20");
}
