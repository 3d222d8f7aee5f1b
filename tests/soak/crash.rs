//! A server that is killed in the midst of runs, and started again over what it
//! left: every state that was acknowledged is there, and nothing else stays.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::Server;

use super::tenant::Tenant;
use super::timed;

/// How many servers of one user are killed in a round: starting one takes as long
/// as many calls.
const KILLS: usize = 3;

/// Starts and kills servers, as long as it should.
pub(crate) fn go_on(tenant: &Tenant, carry_on: impl Fn() -> bool) {
    let mut session: Option<(String, u64)> = None;
    for _ in 0..KILLS {
        if !carry_on() {
            break;
        }
        let server = timed("starting after a crash", || tenant.beside().start());
        session = Some(timed("a session after a crash", || runs(tenant, &server, session)));
        timed("killing a worker", || kill_worker(tenant, &server));
        // The server is killed in the midst of whatever these do.
        let begun = [
            server.begin_execute("while True: pass", json!({})),
            server.begin_execute("n = -1\nwhile True: pass", json!({"session": session.as_ref().map(|(id, _)| id)})),
            server.begin("execute", json!({"language": "bash", "code": "sleep 100 & sleep 100"})),
        ];
        for _ in 0..begun.len() {
            tenant.count();
        }
        assert_eq!(timed("python beside others", || server.execute("print(6 * 7)")).output(), "42\n");
        tenant.count();
        let jails = server.jails();
        timed("killing a server", || drop(server.kill()));
        timed("what it ran to end", || jails.iter().for_each(tests::Process::wait_until_gone));
        for pending in begun {
            // What came before the kill is an answer like any other.
            drop(timed("an answer that does not come", || pending.wait_or_end()));
        }
    }
    // The next server tidies up after the last that was killed, and ends well.
    let server = tenant.beside().start();
    if let Some((session, _)) = session {
        assert!(!server.session("close", &session).is_error(), "it can be closed after a crash");
        tenant.count();
    }
    assert_eq!(server.execute("print(6 * 7)").output(), "42\n");
    server.client.close();
    assert!(timed("an orderly end", || server.wait()).success(), "{}", server.log());
}

/// Goes on with a session from before the crash, or begins one.
fn runs(tenant: &Tenant, server: &Server, session: Option<(String, u64)>) -> (String, u64) {
    let (session, mut count) = session.unwrap_or_else(|| {
        tenant.count();
        (server.execute_in("new", "n = 0").session(), 0)
    });
    for _ in 0..5 {
        tenant.count();
        count += 1;
        // Nothing is there of the run that was in the midst of it.
        assert_eq!(server.execute_in(&session, "n += 1\nprint(n)").output(), format!("{count}\n"));
    }
    (session, count)
}

/// Kills a worker in the midst of a run: that one is lost, and the next is well.
fn kill_worker(tenant: &Tenant, server: &Server) {
    let pending = server.begin_execute("print('begun', flush=True)\nwhile True: pass", json!({}));
    tenant.count();
    server.client.progress(&pending, "begun");
    server.workers().iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    let reply = pending.wait();
    assert_eq!(reply.status(), "trapped worker_lost", "{}", reply.message);
}
