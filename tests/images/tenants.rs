//! A module of one tenant's own is in no worker of another's.

use serde_json::json;
use tests::http::{HttpServer, modern};
use tests::{Process, Reply, RuntimesFolder, Server, Tally};

/// The workers of a server that have code of the image of `tally`.
fn with_tally(server: &HttpServer) -> Vec<i32> {
    let maps = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let pids = Process::children_of(server.process().pid()).into_iter().map(|child| child.pid());
    pids.filter(|pid| maps(*pid).contains("/tally-")).collect()
}

#[test]
fn a_module_of_one_tenant_is_in_its_own_workers_alone() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let configuration = "[tenants.default]\n[tenants.one]\nlanguages = [\"python\", \"tally\"]\n\
                         [tenants.two]\nlanguages = [\"python\"]\n";
    let server = Server::with().configured(configuration).flag("--authentication=keys");
    let server = HttpServer::with(server.flag("--runtimes").flag(folder.path()));
    server.wait_until_ready();
    let [one, two] =
        ["one", "two"].map(|tenant| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]));
    let run = |key: &str, language: &str, code: &str| -> Reply {
        let call = json!({"name": "execute", "arguments": {"language": language, "code": code}});
        server.connect().ask(&server.request_with(key, &modern("tools/call", call))).reply()
    };
    let workers = || Process::children_of(server.process().pid()).into_iter().map(|child| child.pid());
    assert_eq!(run(&two, "python", "print(1)").output(), "1\n");
    let before: Vec<_> = workers().collect();
    assert_eq!(run(&one, "tally", "a1").value(), Some("1"));
    assert_eq!(run(&one, "python", "print(1)").output(), "1\n");
    let has = with_tally(&server);
    assert!(!has.is_empty(), "the control: it is in a worker");
    assert!(has.iter().all(|pid| !before.contains(pid)), "{has:?} of which {before:?} were another's");
    // Now that it is compiled and loaded, it still is nothing to the other.
    let refused = run(&two, "tally", "a1");
    assert!(refused.refusal().contains("tally") && !refused.refusal().contains("a1"), "{}", refused.refusal());
    for _ in 0..8 {
        assert_eq!(run(&two, "python", "print(1)").output(), "1\n");
    }
    assert_eq!(with_tally(&server), has);
}
