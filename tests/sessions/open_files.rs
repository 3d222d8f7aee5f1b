//! Files that are open while their session is not in memory.

use serde_json::json;
use tests::Server;

/// Lets every session hibernate that is not used: there is one place, and
/// another session takes it.
fn hibernate(server: &Server) {
    server.new_session();
    assert_eq!(server.health()["sessions_live"], 1);
}

fn start() -> Server {
    Server::with().flag("--sessions=1").start()
}

#[test]
fn a_half_read_file_goes_on_where_it_was() {
    let server = start();
    let code = "import csv\n\
        with open('data.csv', 'w') as out:\n    for n in range(20_000): print(f'{n},name {n}', file=out)\n\
        rows = csv.reader(open('data.csv', newline=''))\n\
        for _ in range(777): row = next(rows)\n\
        raw = open('data.csv', 'rb')\nhead = raw.read(10)\nlog = open('log', 'a')\nlog.write('one ')\nlog.flush()\n\
        both = open('both', 'w+b')\nboth.write(b'0123456789')\nboth.seek(3)\nraw.fileno(), row";
    let begun = server.execute_in("new", code);
    begun.assert_status("exited 0");
    let session = begun.session();
    for round in 0..3 {
        hibernate(&server);
        let reply =
            server.execute_in(&session, "log.write('more ')\nlog.flush()\nprint(next(rows), raw.tell(), raw.read(5))");
        let row = 777 + round;
        let raw = ["b',name'", "b' 1\\n2,'", "b'name '"][round];
        assert_eq!(reply.output(), format!("['{row}', 'name {row}'] {} {raw}\n", 10 + 5 * round));
    }
    hibernate(&server);
    let rest = server.execute_in(
        &session,
        "print(sum(1 for _ in rows), both.read(2))\nboth.write(b'x')\nboth.close()\nlog.close()\nprint(open('log').read(), open('both').read())",
    );
    assert_eq!(rest.output(), "19220 b'34'\none more more more  01234x6789\n");
}

#[test]
fn a_database_works_or_fails_by_name_and_stays_whole() {
    let server = start();
    let code = "import sqlite3\ndb = sqlite3.connect('d.db')\n\
        with db:\n    db.execute('create table t (n integer primary key, v text)')\n    \
            db.executemany('insert into t values (?, ?)', ((n, 'v' * 50) for n in range(2000)))\n\
        cursor = db.execute('select n from t order by n')\nfirst = cursor.fetchmany(10)\n\
        other = sqlite3.connect('e.db')\nother.execute('create table t (n)')\nother.execute('insert into t values (1)')";
    let session = server.execute_in("new", code).session();
    hibernate(&server);
    let reply = server.execute_in(
        &session,
        "def attempt(work):\n    try: return work()\n    except (sqlite3.Error, OSError) as error: return type(error).__name__\n\
         def add():\n    with db: return db.execute('insert into t values (9999, 1)').rowcount\n\
         print(attempt(lambda: len(first) + len(cursor.fetchall())), attempt(add), attempt(other.commit))",
    );
    let ends: Vec<_> = reply.output().split_whitespace().collect();
    for (end, good) in ends.iter().zip(["2000", "1", "None"]) {
        assert!(*end == good || end.ends_with("Error"), "{ends:?}");
    }
    hibernate(&server);
    let look = "print(*sqlite3.connect('d.db').execute('pragma integrity_check').fetchone(),\n\
                *sqlite3.connect('d.db').execute('select count(*) from t').fetchone(),\n\
                *sqlite3.connect('e.db').execute('pragma integrity_check').fetchone())";
    let rows = if ends[1] == "1" { 2001 } else { 2000 };
    assert_eq!(server.execute_in(&session, look).output(), format!("ok {rows} ok\n"));
}

#[test]
fn an_open_transaction_does_not_break_the_database() {
    let server = start();
    let code = "import sqlite3\ndb = sqlite3.connect('d.db')\n\
        with db: db.execute('create table t (v)')\n\
        for n in range(3000): db.execute('insert into t values (zeroblob(500))')\ndb.in_transaction";
    let session = server.execute_in("new", code).session();
    for _ in 0..2 {
        hibernate(&server);
        let reply = server.execute_in(
            &session,
            "try:\n    for n in range(3000): db.execute('insert into t values (zeroblob(500))')\nexcept sqlite3.Error: pass",
        );
        reply.assert_status("exited 0");
    }
    // The database is as after a crash of the program: only what was committed counts.
    let look = "import sqlite3\ntry: db.close()\nexcept sqlite3.Error: pass\nnew = sqlite3.connect('d.db')\n\
                print(*new.execute('pragma integrity_check').fetchone(), *new.execute('select count(*) from t').fetchone())";
    assert_eq!(server.execute_in(&session, look).output(), "ok 0\n");
}

/// What the session says about a file that it holds under `name`.
const TRY: &str = "import errno\n\
    def attempt(name, work):\n    \
        try: print(name, work())\n    \
        except OSError as error: print(name, errno.errorcode[error.errno])\n";

#[test]
fn a_file_that_is_gone_or_another_is_stale_and_never_another() {
    let server = start();
    let code = "names = ['kept', 'deleted', 'replaced', 'written', 'moved']\n\
        for name in names: open(name, 'w').write(name * 10)\n\
        held = {name: open(name, 'r+b', buffering=0) for name in names}\n\
        import os\nos.remove('deleted')\n\
        open('new', 'w').write('OTHER' * 10)\nos.replace('new', 'replaced')\nos.rename('moved', 'new place')\n\
        for file in held.values(): file.seek(3)";
    let session = server.execute_in("new", code).session();
    hibernate(&server);
    // While the interpreter is not in memory, a call replaces one of them.
    server.write(&session, "written", &"OTHER".repeat(10)).result();
    let look = format!("{TRY}for name in names: attempt(name, lambda: held[name].read(4))");
    assert_eq!(
        server.execute_in(&session, &look).output(),
        "kept b'tkep'\ndeleted ESTALE\nreplaced ESTALE\nwritten ESTALE\nmoved b'edmo'\n"
    );
    let change = format!(
        "{TRY}for name in names: attempt(name, lambda: held[name].write(b'!'))\n\
         for name in ['deleted', 'written']: attempt(name, held[name].close)\n\
         print(open('kept').read(10), open('replaced').read(10), open('written').read(10), open('new place').read(10))"
    );
    assert_eq!(
        server.execute_in(&session, &change).output(),
        "kept 1\ndeleted ESTALE\nreplaced ESTALE\nwritten ESTALE\nmoved 1\n\
         deleted None\nwritten None\nkeptkep!ke OTHEROTHER OTHEROTHER movedmo!ed\n"
    );
}

#[test]
fn a_file_that_a_call_replaced_is_stale_until_it_is_back() {
    let server = start();
    let session =
        server.execute_in("new", "open('f', 'w').write('a' * 100)\nf = open('f', 'rb', buffering=0)").session();
    let snapshot = server.snapshot(&session);
    // The file is replaced while the interpreter is in memory, and then that is not.
    server.write(&session, "f", &"b".repeat(100)).result();
    hibernate(&server);
    let look = format!("{TRY}attempt('f', lambda: f.read(3))");
    assert_eq!(server.execute_in(&session, &look).output(), "f ESTALE\n");
    // The control: with the file as it was, the descriptor is good.
    server.session_at("restore", &session, &snapshot).result();
    hibernate(&server);
    assert_eq!(server.execute_in(&session, &look).output(), "f b'aaa'\n");
}

#[test]
fn another_file_of_the_same_size_and_time_is_not_taken_for_the_one_that_is_open() {
    let server = start();
    let code = "open('a', 'w').write('AAAA')\nopen('b', 'w').write('BBBB')\nopen('c', 'w').write('CCCC')\n\
                held = [open(name, 'r+b', buffering=0) for name in 'ac']";
    let session = server.execute_in("new", code).session();
    let replace = "touch -d @1000000000 a b c; cat a b c";
    let bash = |code: &str| server.call("execute", json!({"language": "bash", "code": code, "session": session}));
    assert_eq!(bash(replace).output(), "AAAABBBBCCCC");
    // A call has the interpreter saved with these times.
    server.execute_in(&session, "[file.read(1) for file in held]").assert_status("exited 0");
    // The files change in two calls, of which neither makes a double of what was there before it.
    bash("mv b a; touch a").assert_status("exited 0");
    bash("touch -d @1000000000 a").assert_status("exited 0");
    hibernate(&server);
    let look = format!(
        "{TRY}for file in held: attempt('read', lambda: file.read(3)); attempt('write', lambda: file.write(b'!'))"
    );
    assert_eq!(
        server.execute_in(&session, &look).output(),
        "read ESTALE\nwrite ESTALE\nread b'CCC'\nwrite 1\n",
        "the other one was not replaced"
    );
    assert_eq!(bash("cat a c").output(), "BBBBCCCC!");
}
