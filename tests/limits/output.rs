//! Output: kept in part, counted in full, and never in the way.

use serde_json::json;
use tests::Server;

const MIB: u64 = 1 << 20;
/// What the server's own process may hold after megabytes of output: it keeps
/// some KiB of each stream and spools the rest.
const SERVER_MEMORY: u64 = 128 * MIB;

fn spooled_bytes(server: &Server) -> u64 {
    let entries = std::fs::read_dir(server.principal_directory()).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap()).filter(|data| data.is_file()).map(|data| data.len()).sum()
}

#[test]
fn ten_mebibytes_are_counted_exactly_and_can_be_read() {
    let server = Server::start();
    let reply =
        server.execute("import sys\nfor _ in range(10):\n    sys.stdout.write('y' * (1 << 20))\nprint('the end')");
    reply.assert_status("exited 0");
    let seen = 10 * MIB + 8;
    assert_eq!(reply.structured()["truncated"]["stdout"]["bytes_seen"], seen);
    assert_eq!(reply.usage("output_bytes"), seen);
    assert!(reply.stdout().ends_with("the end\n"));
    assert_eq!(spooled_bytes(&server), seen);
    assert!(reply.message.to_string().len() < 50_000, "the reply has {} bytes", reply.message.to_string().len());
    server.assert_usable();
}

#[test]
fn output_without_end_fills_neither_memory_nor_disk() {
    let server = Server::start();
    for stream in ["stdout", "stderr"] {
        let code = format!("import sys\nwhile True: sys.{stream}.write('z' * 100_000 + '\\n')");
        let (reply, _) =
            server.peak_of_workers(|| server.execute_with(&code, json!({"limits": {"wall_time_ms": 2000}})));
        reply.assert_status("limit_exceeded wall_time_ms");
        let cut = &reply.structured()["truncated"][stream];
        assert!(cut["bytes_seen"].as_u64().unwrap() > 16 * MIB, "too little to prove anything: {cut}");
        assert!(cut["bytes_kept"].as_u64().unwrap() <= 6 << 10);
        assert!(server.process().resident_bytes() < SERVER_MEMORY);
        server.assert_usable();
    }
    assert_eq!(spooled_bytes(&server), 32 * MIB, "16 MiB of each of the two");
}

#[test]
fn a_reader_that_does_not_read_does_not_stop_others() {
    // The client reads all the time, but asks for progress of a run that
    // writes faster than anyone reads.
    let server = Server::start();
    let noisy = server.begin_execute("while True: print('n' * 1000)", json!({"limits": {"wall_time_ms": 3000}}));
    server.client.progress(&noisy, "nnn");
    let reply = server.execute("print('quiet')");
    assert_eq!(reply.output(), "quiet\n");
    let noisy = noisy.wait();
    noisy.assert_status("limit_exceeded wall_time_ms");
    assert!(reply.arrival < noisy.arrival, "the quiet run had to wait for the noisy one");
    // Reports are throttled: five a second, each of at most a KiB.
    let reports = server.client.notifications();
    assert!(reports.len() < 200, "{} reports", reports.len());
    assert!(reports.iter().all(|report| report.to_string().len() < 4000));
}

#[test]
fn a_long_result_and_a_long_error_are_cut_too() {
    let server = Server::start();
    let value = server.execute("'v' * 1_000_000");
    value.assert_status("exited 0");
    assert!(value.value().unwrap().len() <= (6 << 10) + 200, "{}", value.value().unwrap().len());
    let error = server.execute("raise ValueError('e' * 1_000_000)");
    error.assert_status("exited 1");
    assert_eq!(error.error("name"), "ValueError");
    assert!(error.message.to_string().len() < 150_000, "the reply has {} bytes", error.message.to_string().len());
    assert!(error.text().len() < 50_000, "the text has {} bytes", error.text().len());
}
