//! Programs that behave, and jails that cannot be made.

use std::os::fd::AsFd;

use jailer::{Access, GivenFile, Mount, Step};
use nix::libc;

use crate::Test;
use crate::jail::{Host, Jail};

pub(crate) const TESTS: &[Test] = &[
    ("bash_runs", bash_runs),
    ("python_runs", python_runs),
    ("nothing_is_inherited", nothing_is_inherited),
    ("result_is_descriptor_three", result_is_descriptor_three),
    ("given_files_are_only_read", given_files_are_only_read),
    ("own_failures_are_told_from_the_programs", own_failures_are_told_from_the_programs),
    ("what_cannot_be_refused", what_cannot_be_refused),
    ("lacking_calls_refuse", lacking_calls_refuse),
];

fn everywhere(test: impl Fn(bool, Host)) {
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            test(namespaces, *host);
        }
    }
}

fn bash_runs() {
    everywhere(|namespaces, host| {
        let script = "echo one > file; (cat file; cat file | wc -l); for i in 1 2 3; do sleep 0 & done; wait; exit 7";
        let mut jail = Jail::bash(namespaces, host, script);
        let running = jail.start().unwrap();
        assert_eq!(running.enforced.namespaces, namespaces);
        assert_eq!(running.enforced.identity, host == Host::Identity);
        assert!(running.enforced.landlock_abi >= 6);
        let finished = running.finish();
        assert_eq!(finished.ended.wait_status, Some(7 << 8), "{finished:?}");
        assert_eq!((finished.output.as_str(), finished.error.as_str()), ("one\n1\n", ""));
        assert_eq!(finished.ended.cause, None);
        assert_eq!(finished.jailer_code, Some(0));
        assert_eq!(std::fs::read(jail.workspace.path().join("file")).unwrap(), b"one\n");
    });
}

fn python_runs() {
    const CODE: &str = r#"
import asyncio, multiprocessing, os, sqlite3, subprocess, sys, tempfile, threading
print(subprocess.run(["ls"], capture_output=True, text=True, check=True).stdout == "")
thread = threading.Thread(target=lambda: print("thread")); thread.start(); thread.join()
base = sqlite3.connect("base"); base.execute("create table t (n)"); base.commit(); print("base")
async def main():
    child = await asyncio.create_subprocess_exec("/bin/echo", "async", stdout=subprocess.PIPE)
    print((await child.communicate())[0].decode().strip())
asyncio.run(main())
ours, theirs = multiprocessing.Pipe()
if os.fork() == 0:
    theirs.send("pipe"); os._exit(0)
print(ours.recv()); os.wait()
with tempfile.TemporaryFile(dir=".") as file: file.write(b"x")
print(len(os.urandom(8)), open("/dev/null").read() == "")
"#;
    everywhere(|namespaces, host| {
        let finished = Jail::python(namespaces, host, CODE).run();
        assert_eq!(finished.ended.wait_status, Some(0), "{finished:?}");
        assert_eq!(finished.output, "True\nthread\nbase\nasync\npipe\n8 True\n", "{finished:?}");
        assert!(finished.ended.usage.cpu_time_ms.unwrap() > 0);
        assert!(finished.ended.usage.memory_bytes.unwrap() > 1 << 20);
    });
}

fn given_files_are_only_read() {
    let given = |path: &str, content: &'static str| GivenFile { path: path.into(), content: content.into() };
    let script = "cat /run/given/deep/one /run/given/two /etc/passwd; ls /run/given /etc
        for change in 'echo x >> /run/given/two' 'echo x > /run/given/new' 'rm /run/given/two' 'chmod 777 /run/given/two' \
            'mv /etc/passwd /etc/other' /run/given/two; do
            eval \"$change\" && echo changed; done 2>&1 | grep -oE 'Read-only|Permission' | uniq -c";
    for host in Jail::hosts() {
        let mut jail = Jail::bash(true, *host, script);
        let large: String = "long\n".repeat(1 << 18);
        jail.confinement.files = vec![
            given("/run/given/deep/one", "one\n"),
            given("/run/given/two", "two\n"),
            given("/etc/passwd", "who\n"),
            GivenFile { path: "/run/large".into(), content: large.into() },
        ];
        let finished = jail.run();
        let expected = "one\ntwo\nwho\n/etc:\nalternatives\nld.so.cache\npasswd\n\n/run/given:\ndeep\ntwo\n";
        let expected = format!("{expected}      5 Read-only\n      1 Permission\n");
        assert_eq!(finished.output, expected, "{finished:?}");
        let mut jail = Jail::bash(false, *host, script);
        jail.confinement.files = vec![given("/run/given/two", "two\n")];
        let (refusal, code) = jail.start().err().unwrap();
        assert_eq!((refusal.step, code), (Step::Filesystem, Some(65 + Step::Filesystem as i32)), "{refusal:?}");
        assert_eq!(refusal.detail, "giving /run/given/two: there is no root of its own for it");
    }
}

fn nothing_is_inherited() {
    // This descriptor would be there if it were not for the jailer; see the control.
    let (_reader, writer) = std::io::pipe().unwrap();
    nix::fcntl::fcntl(writer.as_fd(), nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let list = "cd /proc/self/fd && echo *";
    let control = std::process::Command::new("/bin/bash").args(["-c", list]).output().unwrap();
    let control = String::from_utf8(control.stdout).unwrap();
    assert!(control.split_whitespace().count() > 4, "{control}");
    for host in Jail::hosts() {
        let finished = Jail::bash(true, *host, list).run();
        // 255 is bash's own, for a script from a file or a pipe.
        assert_eq!(finished.output.trim(), "0 1 2 3", "{finished:?}");
        let finished = Jail::new(true, *host, "/usr/bin/env", &[]).run();
        assert_eq!(finished.output, "PATH=/usr/bin:/bin\nHOME=/workspace\n");
        let identity = "import os; print(os.getpid(), os.getppid(), os.getpgrp(), os.getuid(), os.umask(0))";
        let finished = Jail::python(true, *host, identity).run();
        assert_eq!(finished.output, "2 1 2 1000 18\n", "{finished:?}");
    }
}

fn result_is_descriptor_three() {
    everywhere(|namespaces, host| {
        let mut jail = Jail::bash(namespaces, host, "echo result >&3; echo output");
        jail.result = true;
        let finished = jail.run();
        assert_eq!((finished.output.as_str(), finished.result.as_str()), ("output\n", "result\n"), "{finished:?}");
    });
}

fn own_failures_are_told_from_the_programs() {
    everywhere(|namespaces, host| {
        let finished = Jail::bash(namespaces, host, "exit 125").run();
        assert_eq!(finished.ended.wait_status, Some(125 << 8));
        let (refusal, code) = Jail::new(namespaces, host, "/usr/bin/no-such", &[]).start().err().unwrap();
        assert_eq!((refusal.step, refusal.errno), (Step::Execute, Some(libc::ENOENT)), "{refusal}");
        assert_eq!(code, Some(78));
    });
}

fn what_cannot_be_refused() {
    everywhere(|namespaces, host| {
        let refused = |change: &dyn Fn(&mut Jail)| {
            let mut jail = Jail::bash(namespaces, host, "echo ran");
            change(&mut jail);
            let (refusal, code) = jail.start().err().expect("a refusal");
            assert_eq!(code, Some(65 + refusal.step as u8 as i32));
            refusal.step
        };
        assert_eq!(refused(&|jail| jail.confinement.parent = 1), Step::Parent);
        assert_eq!(refused(&|jail| jail.confinement.landlock_abi = 99), Step::Landlock);
        assert_eq!(refused(&|jail| jail.confinement.program.directory = "/no-such".into()), Step::Execute);
        let missing = Mount { source: "/no-such".into(), destination: "/no-such".into(), access: Access::Read };
        assert_eq!(refused(&|jail| jail.confinement.mounts.push(missing.clone())), Step::Filesystem);
        if nix::unistd::geteuid().is_root() {
            let step = refused(&|jail| {
                jail.host = Host::This;
                jail.confinement.identity = None;
            });
            assert_eq!(step, Step::Rlimits);
        }
    });
}

fn lacking_calls_refuse() {
    let both: &[(i64, Step)] = &[
        (libc::SYS_seccomp, Step::Seccomp),
        (libc::SYS_landlock_add_rule, Step::Landlock),
        (libc::SYS_capset, Step::Capabilities),
        (libc::SYS_close_range, Step::Descriptors),
        (libc::SYS_prlimit64, Step::Rlimits),
        (libc::SYS_prctl, Step::Parent),
        (libc::SYS_signalfd4, Step::Warden),
    ];
    let with: &[(i64, Step)] = &[
        (libc::SYS_unshare, Step::Namespaces),
        (libc::SYS_sethostname, Step::Namespaces),
        (libc::SYS_mount, Step::Filesystem),
        (libc::SYS_open_tree, Step::Filesystem),
        (libc::SYS_mount_setattr, Step::Filesystem),
        (libc::SYS_move_mount, Step::Filesystem),
        (libc::SYS_pivot_root, Step::Filesystem),
        (libc::SYS_umount2, Step::Filesystem),
        (libc::SYS_landlock_create_ruleset, Step::Landlock),
        (libc::SYS_landlock_restrict_self, Step::Landlock),
    ];
    let without: &[(i64, Step)] =
        &[(libc::SYS_landlock_create_ruleset, Step::Warden), (libc::SYS_landlock_restrict_self, Step::Warden)];
    let identity: &[(i64, Step)] = &[
        (libc::SYS_setgroups, Step::Credentials),
        (libc::SYS_setresgid, Step::Credentials),
        (libc::SYS_setresuid, Step::Credentials),
    ];
    everywhere(|namespaces, host| {
        let own = if namespaces { with } else { without };
        let identity = if host == Host::Identity { identity } else { &[] };
        for (call, step) in both.iter().chain(own).chain(identity) {
            let mut jail = Jail::bash(namespaces, host, "echo ran > ran");
            jail.lacking = vec![*call];
            let (refusal, code) = jail.start().err().unwrap_or_else(|| panic!("without call {call} it ran"));
            assert_eq!((refusal.step, refusal.errno), (*step, Some(libc::ENOSYS)), "without call {call}: {refusal}");
            assert_eq!(code, Some(65 + *step as i32));
            assert!(!jail.workspace.path().join("ran").exists());
        }
    });
}
