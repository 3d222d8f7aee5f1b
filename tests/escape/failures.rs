//! A machine that lacks one of the protections. No program runs with less
//! than the configured minimum, and the refusal says what is missing.

use serde_json::json;
use tests::{Restriction, SOME_USER, Server};

use crate::place::{Place, assert_native_usable, run};

/// What every tier needs: privileges given up for good, the filter, Landlock,
/// limits, and an end together with the server.
const EVERYWHERE: [&str; 8] = [
    "seccomp",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    // PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG
    "prctl:38",
    "prctl:1",
    "prlimit64",
    "capset",
];

/// What namespaces and a root of one's own need.
const FOR_NAMESPACES: [&str; 8] =
    ["unshare", "mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "umount2", "chroot"];

/// What a user of one's own needs.
const FOR_IDENTITY: [&str; 3] = ["setgroups", "setresgid", "setresuid"];

/// A program that was refused has no outcome, and the reason is told.
#[track_caller]
fn assert_refused(server: &Server, what: &str) -> String {
    let mut said = String::new();
    for language in ["python-native", "bash"] {
        let reply = run(server, language, "echo = print('ran')", json!({}));
        assert!(reply.is_error(), "{what}: {}", reply.message);
        assert!(!reply.message.to_string().contains("ran\\n"), "{what}: {}", reply.message);
        assert_eq!(reply.result().get("structuredContent"), None, "{what}: {}", reply.message);
        said = reply.text().to_owned();
    }
    said
}

fn fails_closed(place: Place, minimum: &str, calls: &[&str]) {
    // The control: with all of these calls, the program runs.
    let flag = format!("--native-tier={minimum}");
    assert_native_usable(&place.server().flag(&flag).start());
    for call in calls {
        let what = format!("{} at least in {}, without {call}", minimum, place.name());
        let server =
            place.server_with(place.restriction().error(call, "ENOSYS")).flag(&flag).without_handshake().start();
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
        if server.client.request("initialize", hello).wait_or_end().is_none() {
            // A server does not start without this call either.
            assert_ne!(server.wait().code(), Some(0), "{what}");
            continue;
        }
        server.client.notify("notifications/initialized", json!({}));
        let said = assert_refused(&server, &what);
        assert!(said.contains("denied") && said.contains("`"), "{what}: {said}");
    }
}

#[test]
fn nothing_runs_in_a_container_that_lacks_a_protection() {
    fails_closed(Place::ContainerUser, "container", &EVERYWHERE);
}

#[test]
fn nothing_runs_as_root_of_a_container_that_lacks_a_protection() {
    fails_closed(Place::ContainerRoot, "container", &EVERYWHERE);
}

#[test]
fn nothing_runs_with_fewer_namespaces_than_asked_for() {
    fails_closed(Place::User, "namespaced", &[&EVERYWHERE[..], &FOR_NAMESPACES].concat());
}

#[test]
fn nothing_runs_with_less_isolation_than_asked_for() {
    // Namespaces are not among these calls: another user is as good a separation.
    fails_closed(Place::Root, "isolated", &[&EVERYWHERE[..], &FOR_IDENTITY].concat());
}

/// A program that may run with less does, once the machine allows no more.
#[test]
fn without_namespaces_the_weaker_tier_is_used_where_it_is_allowed() {
    let place = Place::User;
    for call in FOR_NAMESPACES {
        let server = place.server_with(place.restriction().error(call, "ENOSYS")).start();
        assert_native_usable(&server);
        let protections = server.health()["protections"].to_string();
        assert!(protections.contains("tier container "), "without {call}: {protections}");
    }
}

#[test]
fn a_tier_that_the_machine_does_not_reach_is_refused_by_its_name() {
    for (place, minimum, missing) in [
        (Place::User, "isolated", "control group"),
        (Place::ContainerUser, "namespaced", "namespaces"),
        (Place::ContainerRoot, "isolated", "control group"),
        (Place::NoNamespaces, "namespaced", "namespaces"),
    ] {
        let what = format!("{minimum} in {}", place.name());
        let server = place.server().flag(format!("--native-tier={minimum}")).start();
        let said = assert_refused(&server, &what);
        assert!(said.contains(minimum) && said.contains(missing), "{what}: {said}");
        server.assert_usable();
    }
}

#[test]
fn an_old_landlock_without_namespaces_runs_webassembly_only() {
    let old = Restriction::user(SOME_USER).option("--no-user-namespaces").option("--landlock-abi=4");
    let server = Place::NoNamespaces.server_with(old).start();
    server.assert_usable();
    let said = assert_refused(&server, "Landlock 4");
    assert!(said.contains("Landlock") && said.contains('4') && said.contains('6'), "{said}");
    // Landlock 4 is enough with namespaces.
    let old = Restriction::user(SOME_USER).option("--landlock-abi=4");
    let server = Place::User.server_with(old).start();
    assert_native_usable(&server);
    server.assert_usable();
}

#[test]
fn switched_off_is_off() {
    let server = Place::User.server().flag("--native-tier=off").start();
    let said = assert_refused(&server, "off");
    assert!(said.contains("off"), "{said}");
    server.assert_usable();
}
