//! Programs that look for a network or for more programs.

use serde_json::json;

use crate::{run, servers};

/// Nobody waits for a network: ten times as long as these take.
const SOON_MS: u64 = 15_000;

#[test]
fn what_would_install_something_fails_at_once_and_says_who_can() {
    let python = "import subprocess, sys\n\
                  subprocess.run([sys.executable, '-m', 'pip', 'install', '--break-system-packages', 'no-such-thing'])";
    let check = "import subprocess, sys\n\
                 subprocess.run([sys.executable, '-m', 'pip', 'install', 'no-such-thing'], check=True, capture_output=True)";
    let cases = [
        ("bash", "python3 -m pip install no-such-thing", "the operator of this machine adds packages"),
        ("python-native", python, "the operator of this machine adds packages"),
        ("python-native", check, "Hint: this sandbox cannot install packages; the operator adds them"),
    ];
    for (user, server) in servers(|builder| builder) {
        for (language, code, advice) in cases {
            let reply = run(&server, language, code, json!({}));
            assert_eq!(reply.text().matches(advice).count(), 1, "{user}: {code}: {}", reply.text());
            assert!(reply.usage("wall_time_ms") < SOON_MS, "{user}: {code}: {}", reply.text());
            assert!(!reply.text().contains("Retrying"), "{user}: {code}: {}", reply.text());
        }
    }
}

#[test]
fn what_looks_for_a_network_is_told_that_there_is_none() {
    // As curl, git and the like say it, which need not be here.
    let missing = "echo \"curl: (6) Could not resolve host: example.com\" >&2; exit 6";
    let advice = "note: there is no network here: pass data as `files` or `stdin` of the call";
    for (user, server) in servers(|builder| builder) {
        let reply = run(&server, "bash", missing, json!({}));
        reply.assert_status("exited 6");
        assert_eq!(reply.text().matches(advice).count(), 1, "{user}: {}", reply.text());
        // It is what programs write that counts, not what they read or print.
        let reply = run(&server, "bash", "echo Could not resolve host", json!({}));
        assert!(!reply.text().contains("note:"), "{user}: {}", reply.text());
        let code = "import urllib.request; urllib.request.urlopen('http://example.com')";
        let reply = run(&server, "python-native", code, json!({}));
        assert_eq!(reply.text().matches("no network").count(), 1, "{user}: {}", reply.text());
    }
}
