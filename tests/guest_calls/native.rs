//! Native programs that call their host by the socket they inherit, well and
//! badly, from one process and from many.

use serde_json::json;
use tests::{Reply, Server};

use crate::told::{steps, told};

fn run(server: &Server, language: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": language, "code": code}))
}

/// Python that speaks by the socket itself.
const RAW: &str = "import array, os, socket\nhost = socket.socket(fileno=os.dup(4))\n\
    def ask(datagram):\n  host.send(datagram)\n  return host.recv(200_000)\n";

#[test]
fn a_line_to_the_descriptor_is_a_call_in_any_language() {
    let server = Server::start();
    let code = "echo '- progress {\"message\": \"half\", \"fraction\": 0.5}' >&4\n\
        printf '1 progress {\"fraction\": 2}' >&4; dd bs=200k count=1 status=none <&4; echo\n\
        echo '2 progress {}' >&4; dd bs=200k count=1 status=none <&4; echo \" $BELLJAR_CALLS_FD\"";
    let (told, reply) = told(&server, server.begin("execute", json!({"language": "bash", "code": code})));
    assert_eq!(reply.output(), "1 1 `fraction` of `progress` is from 0 to 1, and this is 2\n2 0 null 4\n");
    assert!(steps(&told).contains(&("half", Some(0.5))), "{told:?}");
    // Where nothing is granted there is no descriptor, and nothing names one.
    let none = Server::with().flag("--calls=").start();
    let look = "echo \"${BELLJAR_CALLS_FD-none}\"; ls /proc/self/fd/4 2>&1 | grep -c 'No such'; { echo >&4; } 2>&1";
    let reply = run(&none, "bash", look);
    assert!(
        reply.stdout().starts_with("none\n1\n") && reply.stdout().contains("4: Bad file descriptor"),
        "{}",
        reply.stdout()
    );
}

#[test]
fn what_many_processes_say_at_once_stays_apart() {
    let server = Server::start();
    // Each process has a socket of its own as far as there are any, and all are told.
    let code = "import belljar, os\n\
        children = []\n\
        for n in range(24):\n  \
          child = os.fork()\n  \
          if child == 0:\n    \
            for m in range(20): belljar.call('progress', message=f'{n} {m} ' + 'x' * 500)\n    \
            os._exit(0)\n  \
          children.append(child)\n\
        print(sum(os.waitpid(child, 0)[1] for child in children))";
    assert_eq!(run(&server, "python-native", code).output(), "0\n");
    let (told, reply) = told(
        &server,
        server.begin("execute", json!({"language": "bash", "code":
            "for n in $(seq 30); do (for m in $(seq 20); do printf -- '- progress {\"message\": \"%s-%s\"}' $n $m >&4; done) & done; wait"})),
    );
    reply.assert_status("exited 0");
    let is_whole = |message: &str| {
        message.split_once('-').is_some_and(|(n, m)| n.parse::<u8>().is_ok() && m.parse::<u8>().is_ok())
    };
    let messages = steps(&told);
    assert!(!messages.is_empty() && messages.iter().all(|(message, _)| is_whole(message)), "{messages:?}");
}

#[test]
fn whoever_keeps_or_closes_or_misuses_the_socket_is_alone_with_that() {
    let server = Server::start();
    let keeps = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(60)\nprint('over')";
    let reply = run(&server, "python-native", keeps);
    assert_eq!(reply.output(), "over\n");
    assert!(reply.usage("wall_time_ms") < 20_000, "a child that has it open kept the run");
    let closes = "import os\nos.close(4)\nimport belljar\ntry: belljar.progress('x')\n\
                  except belljar.CallError as error: print(error)\nos.open('file', os.O_RDWR | os.O_CREAT)\n\
                  try: belljar.progress('x')\nexcept belljar.CallError as error: print(error)\nprint(os.stat('file').st_size)";
    let nothing = "this program may not call `progress`: nothing that its host answers is granted to it\n";
    assert_eq!(run(&server, "python-native", closes).output(), format!("{nothing}{nothing}0\n"));
    // Descriptors that are sent along are not kept.
    let open = |server: &Server| {
        let own = server.process();
        (own.sockets(), own.open_files().iter().filter(|path| path.ends_with("file")).count())
    };
    run(&server, "python-native", "1").assert_status("exited 0");
    let before = open(&server);
    let sends = format!(
        "{RAW}file = os.open('file', os.O_RDWR | os.O_CREAT)\n\
         for _ in range(100):\n  \
           rights = array.array('i', [file, 4, 1, 2])\n  \
           host.sendmsg([b'1 progress {{}}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])\n  \
           assert host.recv(99) == b'1 0 null'\n\
         print(ask(b'2 progress {{}}'))"
    );
    assert_eq!(run(&server, "python-native", &sends).output(), "b'2 0 null'\n");
    tests::eventually("descriptors to be let go of", || (open(&server) == before).then_some(()));
}

#[test]
fn garbage_and_floods_end_in_silence_and_the_server_goes_on() {
    let server = Server::start();
    let beside = server.begin_execute("import time\nprint('begun')\ntime.sleep(2)\nprint('well')", json!({}));
    server.client.progress(&beside, "begun");
    // The calls are more than may be: one is told so, then the socket is closed.
    let many = format!(
        "{RAW}count = 0\n\
         try:\n  \
           while True:\n    \
             host.send(os.urandom(40) if count % 2 else b'- progress {{}}')\n    \
             count += 1\n\
         except OSError as error: print(isinstance(error, ConnectionError), count > 9999, count < 30000)"
    );
    assert_eq!(run(&server, "python-native", &many).output(), "True True True\n");
    let exact = format!(
        "{RAW}for n in range(10_000): host.send(b'what')\nprint(ask(b'7 progress {{}}'))\nprint(host.recv(10))"
    );
    let told = "b'7 3 calls of a run may be 10000 at most, and this is 10001'\nb''\n";
    assert_eq!(run(&server, "python-native", &exact).output(), told);
    // Answers that nobody takes: the program waits for nobody but itself, and its
    // output and its end are as ever.
    let deaf = format!(
        "{RAW}import select\nhost.setblocking(False)\nsent = 0\n\
         try:\n  \
           while True: host.send(b'1 progress ' + b'x' * 100_000); sent += 1\n\
         except BlockingIOError: pass\n\
         print('x' * 300_000 + 'end')"
    );
    let reply = run(&server, "python-native", &deaf);
    assert!(reply.output().ends_with("xend\n"));
    // The fork bomb writes to the socket all the while.
    let bomb = "f() { printf -- '- progress {' >&4; head -c 300 /dev/urandom >&4; f & f & f; }; f 2>/dev/null";
    let arguments = json!({"language": "bash", "code": bomb, "limits": {"wall_time_ms": 3000}});
    let reply = server.call("execute", arguments);
    assert!(!reply.status().starts_with("trapped"), "{}", reply.status());
    assert_eq!(beside.wait().output(), "begun\nwell\n");
    assert_eq!(run(&server, "python-native", "import belljar; belljar.progress('x'); print(1)").output(), "1\n");
    assert_eq!(server.log().matches("a jailer ended before").count(), 0);
}
