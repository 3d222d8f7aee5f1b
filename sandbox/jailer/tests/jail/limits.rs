//! Each limit ends the tree, and names itself.

use jailer::Cause;
use nix::libc;

use crate::Test;
use crate::jail::{Finished, Host, Jail};

pub(crate) const TESTS: &[Test] = &[
    ("wall_time", wall_time),
    ("cpu_time", cpu_time),
    ("lost_cpu_time", lost_cpu_time),
    ("memory", memory),
    ("memory_of_threads", memory_of_threads),
    ("memory_in_sockets", memory_in_sockets),
    ("stopped", stopped),
    ("disk_bytes", disk_bytes),
    ("disk_files", disk_files),
    ("processes", processes),
    ("open_files", open_files),
    ("under_all_limits", under_all_limits),
];

pub(crate) fn everywhere(test: impl Fn(bool, Host)) {
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            test(namespaces, *host);
        }
    }
}

pub(crate) fn killed(finished: &Finished, cause: Cause) {
    assert_eq!(finished.ended.cause, Some(cause), "{finished:?}");
    assert_eq!(finished.ended.wait_status, Some(libc::SIGKILL), "{finished:?}");
}

fn wall_time() {
    everywhere(|namespaces, host| {
        let polite = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.01; done";
        let finished = Jail::bash(namespaces, host, polite).limits(|limits| limits.wall_time_ms = 200).run();
        assert_eq!(finished.ended.cause, Some(Cause::WallTime), "{finished:?}");
        assert_eq!((finished.ended.wait_status, finished.output.as_str()), (Some(3 << 8), "bye\n"));
        let deaf = "trap '' TERM; while :; do sleep 1; done";
        let finished = Jail::bash(namespaces, host, deaf).limits(|limits| limits.wall_time_ms = 100).run();
        killed(&finished, Cause::WallTime);
        let wall_time = finished.ended.usage.wall_time_ms.unwrap();
        assert!((300..2000).contains(&wall_time), "{finished:?}");
        let stopped = "kill -STOP $$";
        let finished = Jail::bash(namespaces, host, stopped).limits(|limits| limits.wall_time_ms = 100).run();
        assert_eq!(finished.ended.cause, Some(Cause::WallTime), "{finished:?}");
    });
}

fn cpu_time() {
    everywhere(|namespaces, host| {
        let alone = "while :; do :; done";
        let finished = Jail::bash(namespaces, host, alone).limits(|limits| limits.cpu_time_ms = 300).run();
        killed(&finished, Cause::CpuTime);
        let used = finished.ended.usage.cpu_time_ms.unwrap();
        assert!((290..1000).contains(&used), "{finished:?}");
        // No single process of these uses much.
        let many = "while :; do (for ((i = 0; i < 3000; i++)); do :; done); done";
        let finished = Jail::bash(namespaces, host, many).limits(|limits| limits.cpu_time_ms = 500).run();
        killed(&finished, Cause::CpuTime);
    });
}

fn lost_cpu_time() {
    // The kernel adds the time of a child up only for who waits for it.
    let children = "import os, signal, time\nif IGNORE: signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nfor i in range(5):\n if os.fork() == 0:\n  while time.process_time() < 0.2: pass\n  os._exit(0)\n try: os.wait()\n except ChildProcessError: pass";
    everywhere(|namespaces, host| {
        let run = |ignore: &str, limit| {
            let code = children.replace("IGNORE", ignore);
            Jail::python(namespaces, host, &code).limits(|limits| limits.cpu_time_ms = limit).run()
        };
        let waited_for = run("False", 30_000).ended.usage.cpu_time_ms.unwrap();
        let lost = run("True", 30_000).ended.usage.cpu_time_ms.unwrap();
        assert!((950..2000).contains(&waited_for), "{waited_for}");
        assert!((500..=waited_for + 500).contains(&lost), "{lost} of {waited_for}");
        killed(&run("True", 400), Cause::CpuTime);
    });
}

fn memory_of_threads() {
    // A process whose first thread has ended shows no memory of its own.
    let child = "import ctypes, os, threading, time\ndef fill():\n time.sleep(0.1); b = bytearray(b'x') * (100 << 20); time.sleep(60)\nfor i in range(4):\n if os.fork() == 0:\n  threading.Thread(target=fill).start(); ctypes.CDLL(None).syscall(60, 0)\ntime.sleep(SLEEP)";
    everywhere(|namespaces, host| {
        let run = |sleep: &str, limit| {
            let code = child.replace("SLEEP", sleep);
            Jail::python(namespaces, host, &code).limits(|limits| limits.memory_bytes = limit).run()
        };
        killed(&run("60", 200 << 20), Cause::Memory);
        let finished = run("2", 1 << 30);
        assert_eq!(finished.ended.cause, None, "{finished:?}");
        assert!(finished.ended.usage.memory_bytes.unwrap() > 400 << 20, "{finished:?}");
    });
}

fn memory_in_sockets() {
    let pairs = "import socket, time\npairs = [socket.socketpair() for i in range(120)]\nfor pair in pairs:\n for end in pair:\n  end.setblocking(False)\n  try:\n   while True: end.send(b'x' * 65536)\n  except BlockingIOError: pass\nprint('full', flush=True)\ntime.sleep(SLEEP)";
    everywhere(|namespaces, host| {
        let run = |sleep: &str, limit| {
            let code = pairs.replace("SLEEP", sleep);
            Jail::python(namespaces, host, &code).limits(|limits| limits.memory_bytes = limit).run()
        };
        killed(&run("60", 50 << 20), Cause::Memory);
        let finished = run("0", 200 << 20);
        assert_eq!((finished.ended.cause, finished.output.as_str()), (None, "full\n"), "{finished:?}");
    });
}

fn stopped() {
    everywhere(|namespaces, host| {
        // A program stops itself, and then everything that it can reach.
        for target in ["$$", "-1"] {
            let script = format!("sleep 600 & trap 'echo bye' EXIT; kill -STOP {target}; kill -STOP $$; sleep 600");
            let finished = Jail::bash(namespaces, host, &script).limits(|limits| limits.wall_time_ms = 300).run();
            assert_eq!(finished.ended.cause, Some(Cause::WallTime), "{finished:?}");
            let used = finished.ended.usage.wall_time_ms.unwrap();
            assert!((300..3000).contains(&used), "{finished:?}");
        }
    });
}

fn memory() {
    everywhere(|namespaces, host| {
        let limit = |jail: Jail| jail.limits(|limits| limits.memory_bytes = 200 << 20).run();
        let alone = "try:\n b = bytearray(400 << 20)\nexcept MemoryError: print('refused')";
        let finished = limit(Jail::python(namespaces, host, alone));
        assert_eq!((finished.output.as_str(), finished.ended.cause), ("refused\n", None), "{finished:?}");
        let tree = "import os, time\nfor i in range(10):\n if os.fork() == 0: b = bytearray(b'x') * (150 << 20); time.sleep(60)\nos.wait()";
        let finished = limit(Jail::python(namespaces, host, tree));
        killed(&finished, Cause::Memory);
        // How much of what it would take depends on who is looked at when.
        assert!(finished.ended.usage.memory_bytes.unwrap() < 1500 << 20, "{finished:?}");
        let file = "import mmap, os\nf = open('f', 'w+b'); f.truncate(500 << 20)\nm = mmap.mmap(f.fileno(), 500 << 20)\nfor i in range(0, 500 << 20, 4096): m[i] = 1";
        killed(
            &limit(Jail::python(namespaces, host, file).limits(|limits| limits.disk_bytes = 1 << 30)),
            Cause::Memory,
        );
        // Shared by many is not used by many.
        let forks = "import os, time\nb = bytearray(b'x') * (100 << 20)\nfor i in range(4):\n if os.fork() == 0: time.sleep(0.2); os._exit(0)\nfor i in range(4): os.wait()";
        let finished = limit(Jail::python(namespaces, host, forks));
        assert_eq!((finished.ended.cause, finished.ended.wait_status), (None, Some(0)), "{finished:?}");
        // A child runs in its parent's memory until it executes.
        let children =
            "import subprocess\nb = bytearray(b'x') * (130 << 20)\nfor i in range(150): subprocess.run(['/bin/true'])";
        let finished = limit(Jail::python(namespaces, host, children));
        assert_eq!((finished.ended.cause, finished.ended.wait_status), (None, Some(0)), "{finished:?}");
        if namespaces {
            let scratch = "import time\nfor d in ['/tmp', '/dev/shm']: open(d + '/f', 'wb').write(b'x' * (60 << 20))\nb = bytearray(b'x') * (100 << 20); time.sleep(60)";
            killed(&limit(Jail::python(true, host, scratch)), Cause::Memory);
            let full = "try: open('/tmp/f', 'wb').write(b'x' * (70 << 20))\nexcept OSError as e: print(e.errno)";
            assert_eq!(limit(Jail::python(true, host, full)).output.trim(), libc::ENOSPC.to_string());
        }
    });
}

fn disk_bytes() {
    everywhere(|namespaces, host| {
        let limit = |jail: Jail| jail.limits(|limits| limits.disk_bytes = 20 << 20).run();
        let one = "try: open('f', 'wb').write(b'x' * (30 << 20))\nexcept OSError as e: print(e.errno)";
        assert_eq!(limit(Jail::python(namespaces, host, one)).output.trim(), libc::EFBIG.to_string());
        let many = "import time\nfor i in range(40): open(f'f{i}', 'wb').write(b'x' * (1 << 20))\ntime.sleep(60)";
        killed(&limit(Jail::python(namespaces, host, many)), Cause::DiskBytes);
        let nameless = "import os, time\nfs = []\nfor i in range(40): fs.append(open('f', 'wb')); fs[-1].write(b'x' * (1 << 20)); fs[-1].flush(); os.unlink('f')\ntime.sleep(60)";
        killed(&limit(Jail::python(namespaces, host, nameless)), Cause::DiskBytes);
    });
}

fn disk_files() {
    everywhere(|namespaces, host| {
        let limit = |jail: Jail| jail.limits(|limits| limits.disk_files = 100).run();
        let many = "import time\nfor i in range(150): open(f'f{i}', 'w')\ntime.sleep(60)";
        killed(&limit(Jail::python(namespaces, host, many)), Cause::DiskFiles);
        let hidden = "import os, time\nos.mkdir('d', 0o300); os.chdir('d'); open('f', 'w'); time.sleep(60)";
        killed(&limit(Jail::python(namespaces, host, hidden)), Cause::DiskFiles);
        // Files there are still open, and can grow.
        let closed = "import os, time\nos.mkdir('d'); f = open('d/f', 'wb'); d = os.open('d', 0); os.fchmod(d, 0o400); time.sleep(60)";
        if namespaces {
            killed(&limit(Jail::python(namespaces, host, closed)), Cause::DiskFiles);
            let open = closed.replace("0o400); time.sleep(60)", "0o500); time.sleep(0.3)");
            assert_eq!(limit(Jail::python(namespaces, host, &open)).ended.cause, None);
        }
        let elsewhere = "import os\nos.symlink('/usr', 'usr'); [open(f'f{i}', 'w') for i in range(90)]\nimport time; time.sleep(0.3)";
        let finished = limit(Jail::python(namespaces, host, elsewhere));
        assert_eq!(finished.ended.cause, None, "{finished:?}");
    });
}

fn processes() {
    const BOMB: &str = "import os, time\nn = 0\ntry:\n while True:\n  if os.fork() == 0: time.sleep(60)\n  n += 1\nexcept OSError as e: print(n, e.errno, flush=True)";
    everywhere(|namespaces, host| {
        let finished = Jail::python(namespaces, host, BOMB).limits(|limits| limits.processes = 20).run();
        let numbers: Vec<i32> = finished.output.split_whitespace().map(|number| number.parse().unwrap()).collect();
        assert!((10..=24).contains(&numbers[0]), "{finished:?}");
        assert_eq!(numbers[1], libc::EAGAIN);
        assert_eq!(finished.ended.wait_status, Some(0), "the rest ended with the first: {finished:?}");
    });
}

fn open_files() {
    let code = "fs = []\ntry:\n while True: fs.append(open('/dev/null'))\nexcept OSError as e: print(len(fs), e.errno)";
    everywhere(|namespaces, host| {
        let finished = Jail::python(namespaces, host, code).limits(|limits| limits.open_files = 50).run();
        assert_eq!(finished.output.trim(), format!("47 {}", libc::EMFILE), "{finished:?}");
    });
}

fn under_all_limits() {
    // The control of all the others does the same work with room for it.
    let code = "import os\nb = bytearray(b'x') * (100 << 20)\nfor i in range(50): open(f'f{i}', 'wb').write(b'x' * (1 << 20))\nfor i in range(20):\n if os.fork() == 0: os._exit(0)\n os.wait()\nprint('done')";
    everywhere(|namespaces, host| {
        let finished = Jail::python(namespaces, host, code).run();
        assert_eq!((finished.ended.cause, finished.output.as_str()), (None, "done\n"), "{finished:?}");
    });
}
