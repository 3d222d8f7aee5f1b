//! Folders of the operator's, against programs that want more of them than they
//! were granted: natively and as guests, in every place.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tests::{Builder, Server};
use tokio_util::sync::CancellationToken;

use crate::controls::new_secret;
use crate::place::{ALL, Place, RACE, begin, run};

/// Two folders that are mounted, and a secret beside them.
struct Grounds {
    place: Place,
    parent: tempfile::TempDir,
    secret: String,
}

impl Grounds {
    fn new(place: Place) -> Self {
        // The folders are not in /tmp, where no destination can be.
        let parent = tempfile::tempdir_in("/var/tmp").unwrap();
        let grounds = Self { place, parent, secret: new_secret() };
        for (name, mode) in [("", 0o755), ("in", 0o755), ("in/sub", 0o755), ("out", 0o777)] {
            let path = grounds.at(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
        fs::write(grounds.at("in/file"), "content").unwrap();
        fs::write(grounds.at("in/sub/file"), "deeper").unwrap();
        fs::write(grounds.at("secret"), &grounds.secret).unwrap();
        symlink(grounds.at("secret"), grounds.at("in/absolute")).unwrap();
        symlink("../secret", grounds.at("in/relative")).unwrap();
        symlink("sub/file", grounds.at("in/inside")).unwrap();
        fs::copy("/usr/bin/id", grounds.at("in/set-user-id")).unwrap();
        nix::unistd::mkfifo(&grounds.at("in/fifo"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        fs::set_permissions(grounds.at("in/fifo"), PermissionsExt::from_mode(0o666)).unwrap();
        // All of it is the server's own, which is the worst case.
        for name in ["", "in", "in/file", "in/sub", "in/sub/file", "out", "secret", "in/set-user-id", "in/fifo"] {
            chown(grounds.at(name), Some(place.server_user()), Some(place.server_user())).unwrap();
        }
        fs::set_permissions(grounds.at("in/set-user-id"), PermissionsExt::from_mode(0o6755)).unwrap();
        grounds
    }

    fn at(&self, name: &str) -> PathBuf {
        self.parent.path().canonicalize().unwrap().join(name)
    }

    /// Where programs see a folder: without a root of their own, where it lies.
    fn seen(&self, name: &str) -> String {
        match self.place.tier() {
            "container" => self.at(name).to_str().unwrap().to_owned(),
            _ => format!("/data/{name}"),
        }
    }

    fn builder(&self) -> Builder {
        let mount = |name: &str, access| format!("--mount={}:{}:{access}", self.at(name).display(), self.seen(name));
        self.place.server().flag(mount("in", "ro")).flag(mount("out", "rw"))
    }

    /// Everything that must be as it was.
    fn untouched(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut waiting = vec![self.at("in"), self.at("secret")];
        while let Some(path) = waiting.pop() {
            let at = fs::symlink_metadata(&path).unwrap();
            let content = if at.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            let stamps = (at.mode(), at.uid(), at.nlink(), at.mtime(), at.mtime_nsec());
            found.push(format!("{} {stamps:?} {content:?}", path.display()));
            if at.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        found.sort();
        found
    }
}

/// What is tried, and how it may end: natively with namespaces, natively without,
/// as a guest. `*` is any error. What succeeds prints so.
const ATTEMPTS: &[(&str, &str, &str, &str)] = &[
    ("open(IN + '/file').read()", "'content'", "'content'", "'content'"),
    ("open(IN + '/inside').read()", "'deeper'", "'deeper'", "'deeper'"),
    ("open(IN + '/absolute').read()", "ENOENT", "EACCES", "EPERM"),
    ("open(IN + '/relative').read()", "ENOENT", "EACCES", "EPERM"),
    ("open(IN + '/../secret').read()", "ENOENT", "EACCES", "EPERM"),
    ("open(IN + '/sub/../../secret').read()", "ENOENT", "EACCES", "EPERM"),
    ("open(IN + '/file', 'w')", "EROFS EACCES", "EACCES", "EROFS"),
    ("open(IN + '/file', 'a')", "EROFS EACCES", "EACCES", "EROFS"),
    ("open(IN + '/file', 'r+')", "EROFS EACCES", "EACCES", "EROFS"),
    ("os.open(IN + '/file', os.O_RDONLY | os.O_TRUNC)", "EROFS EACCES", "EACCES", "EROFS"),
    ("open(IN + '/new', 'w')", "EROFS", "EACCES", "EROFS"),
    ("os.mkdir(IN + '/new')", "EROFS", "EACCES", "EROFS"),
    ("os.unlink(IN + '/file')", "EROFS", "EACCES", "EROFS"),
    ("os.rmdir(IN + '/sub')", "EROFS", "EACCES", "EROFS"),
    ("os.rename(IN + '/file', IN + '/new')", "EROFS", "EACCES", "EROFS"),
    ("os.rename(IN + '/file', OUT + '/new')", "EXDEV", "EACCES", "EXDEV"),
    ("os.rename(OUT + '/own', IN + '/file')", "EXDEV", "EACCES EXDEV", "EXDEV"),
    ("os.link(IN + '/file', IN + '/new')", "EROFS", "EACCES EPERM", "EROFS"),
    // The file could be written to in the other folder.
    ("os.link(IN + '/file', OUT + '/new')", "EXDEV", "EACCES EXDEV EPERM", "EXDEV"),
    ("os.link(IN + '/file', 'new')", "EXDEV", "EACCES EXDEV EPERM", "EXDEV"),
    ("os.link('own', OUT + '/new')", "EXDEV", "EXDEV EACCES", "EXDEV"),
    // What is taken back after a run would be the operator's.
    ("os.link(OUT + '/own', 'new')", "EXDEV", "EXDEV EACCES EPERM", "EXDEV"),
    ("os.symlink('/etc/passwd', IN + '/new')", "EROFS", "EACCES", "EROFS"),
    // Links and FIFOs would be met by programs of the host.
    ("os.symlink('/etc/passwd', OUT + '/new')", "EACCES", "EACCES", "EPERM"),
    ("os.mkfifo(OUT + '/new')", "EPERM", "EPERM", "*"),
    ("os.mknod(OUT + '/new', 0o20666, 0x103)", "EPERM", "EPERM", "*"),
    ("os.chmod(IN + '/file', 0o777)", "EROFS", "EPERM", "EROFS"),
    ("os.fchmod(os.open(IN + '/file', os.O_RDONLY), 0o777)", "EROFS", "EPERM", "EROFS"),
    ("os.truncate(IN + '/file', 0)", "EROFS EACCES", "EACCES", "EROFS"),
    ("os.open('/proc/self/fd/%d' % os.open(IN + '/file', os.O_RDONLY), os.O_RDWR)", "EROFS EACCES", "EACCES", "ENOENT"),
    ("os.open('/dev/fd/%d' % os.open(IN + '/file', os.O_RDONLY), os.O_RDWR)", "EROFS EACCES", "*", "ENOENT"),
    ("mapped(IN + '/file')", "EACCES", "EACCES", "*"),
    // Whoever reads the FIFO would get what is written.
    ("os.open(IN + '/fifo', os.O_WRONLY | os.O_NONBLOCK)", "EACCES", "EACCES", "EPERM"),
    ("os.open(IN + '/fifo', os.O_RDWR | os.O_NONBLOCK)", "EACCES", "EACCES", "EPERM"),
    ("user_of(IN + '/set-user-id')", "'itself'", "'itself'", "*"),
    // Nobody on the host becomes the owner of what is written there.
    ("os.chmod(OUT + '/own', 0o4755)", "EPERM", "EPERM", "None"),
    ("os.chmod(OUT + '/own', 0o2755)", "EPERM", "EPERM", "None"),
    ("os.open(OUT + '/new', os.O_CREAT | os.O_WRONLY, 0o4755)", "EPERM", "EPERM", "number"),
    ("os.open(OUT, os.O_TMPFILE | os.O_WRONLY, 0o4755)", "EPERM", "EPERM", "*"),
    ("open(OUT + '/own').read()", "'mine'", "'mine'", "'mine'"),
];

const TRY: &str = "
import errno, os, sys
open(OUT + '/own', 'w').write('mine')
open('own', 'w').write('mine')
def mapped(path):
    import mmap
    mmap.mmap(os.open(path, os.O_RDONLY), 4, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)[0] = 88
def user_of(program):
    import subprocess
    said = subprocess.run([program, '-u'], capture_output=True, text=True)
    if said.returncode: raise OSError(said.returncode, said.stderr)
    return 'itself' if said.stdout.strip() == str(os.geteuid()) else said.stdout
def attempt(code):
    try: made = eval(code)
    except OSError as error: return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error: return '! ' + type(error).__name__
    return 'number' if type(made) is int else repr(made)
for code in ATTEMPTS: print(attempt(code))
";

fn program(grounds: &Grounds) -> String {
    let attempts: Vec<_> = ATTEMPTS.iter().map(|(code, ..)| format!("{code:?}")).collect();
    let (seen_in, seen_out) = (grounds.seen("in"), grounds.seen("out"));
    format!("IN, OUT = {seen_in:?}, {seen_out:?}\nATTEMPTS = [{}]\n{TRY}", attempts.join(", "))
}

#[test]
fn a_program_gets_of_a_folder_what_it_was_granted_and_nothing_else() {
    let mut differences = Vec::new();
    for place in ALL {
        let grounds = Grounds::new(place);
        let server = grounds.builder().start();
        let before = grounds.untouched();
        for language in ["python-native", "python"] {
            let reply = run(&server, language, &program(&grounds), json!({}));
            let said = reply.output().to_owned();
            let outcomes: Vec<_> = said.lines().collect();
            assert_eq!(outcomes.len(), ATTEMPTS.len(), "{}", place.name());
            for ((code, namespaced, container, guest), outcome) in ATTEMPTS.iter().zip(outcomes) {
                let expected = match (language, place.tier()) {
                    ("python", _) => guest,
                    (_, "container") => container,
                    _ => namespaced,
                };
                let is_error = outcome.starts_with('E') || outcome.starts_with('!');
                let is_expected = expected.split(' ').any(|one| one == outcome) || *expected == "*" && is_error;
                if !is_expected {
                    differences
                        .push(format!("{}, {language}: {code}: expected {expected}, got {outcome}", place.name()));
                }
            }
            assert!(!said.contains(&grounds.secret));
            assert_eq!(grounds.untouched(), before, "{}, {language}", place.name());
            for entry in fs::read_dir(grounds.at("out")).unwrap() {
                let entry = entry.unwrap();
                let metadata = fs::symlink_metadata(entry.path()).unwrap();
                assert!(metadata.is_file() && metadata.mode() & 0o6000 == 0, "{:?}: {metadata:?}", entry.path());
                fs::remove_file(entry.path()).unwrap();
            }
        }
        server.assert_usable();
    }
    assert_eq!(differences, Vec::<String>::new());
}

/// The controls: outside, with the rights of whoever starts the tests, each of the
/// attempts that is refused everywhere does what it is to do.
#[test]
fn without_walls_each_attempt_succeeds() {
    let mut harmful = 0;
    for (code, namespaced, _, guest) in ATTEMPTS {
        // Some attempts fail because of Linux itself, or are of no use to whoever is root.
        let never = ["/proc/self/fd", "/dev/fd", "user_of", "O_TMPFILE", "mapped", "O_RDONLY), 0o777"];
        if namespaced.starts_with('\'')
            || *guest == "*" && code.contains("mkfifo")
            || never.iter().any(|it| code.contains(it))
        {
            continue;
        }
        let fresh = Grounds::new(Place::Root);
        let (seen_in, seen_out) = (fresh.at("in"), fresh.at("out"));
        let setup = format!("import os\nIN, OUT = {seen_in:?}, {seen_out:?}\nopen(OUT + '/own', 'w').write('mine')\n");
        let reader = "r = os.open(IN + '/fifo', os.O_RDONLY | os.O_NONBLOCK)\nopen('own', 'w').write('mine')\n";
        // One folder is no reason to refuse what leads into another.
        let code = code.replace("os.rmdir(IN + '/sub')", "os.unlink(IN + '/sub/file'), os.rmdir(IN + '/sub')");
        let ended = std::process::Command::new(crate::place::PYTHON)
            .args(["-c", &format!("{setup}{reader}{code}")])
            .current_dir(fresh.at(""))
            .output()
            .unwrap();
        assert!(ended.status.success(), "{code}: {}", String::from_utf8_lossy(&ended.stderr));
        harmful += 1;
    }
    assert!(harmful > 20, "{harmful}");
}

#[test]
fn a_directory_that_becomes_a_link_while_it_is_gone_through_leads_nowhere() {
    // In a folder that may be written programs can make no links, but whoever else
    // writes there can: here it is the test.
    for place in [Place::User, Place::Root, Place::ContainerUser] {
        let grounds = Grounds::new(place);
        let server = grounds.builder().start();
        let out = grounds.at("out");
        fs::create_dir(out.join("d")).unwrap();
        fs::write(out.join("d/secret"), "inside").unwrap();
        symlink(grounds.at(""), out.join("link")).unwrap();
        let stop = CancellationToken::new();
        let swap = || {
            let (one, other) = (out.join("d"), out.join("link"));
            while !stop.is_cancelled() {
                exchange(&one, &other);
            }
        };
        // On a machine that is busy either side of the race may do nothing for a while.
        let code = format!(
            "import time
seen, errors, rounds, begun = set(), set(), 0, time.monotonic()
while rounds < 3000 or (len(seen) < 2 or not errors) and time.monotonic() - begun < 20:
    rounds += 1
    for name in ('/d/secret', '/link/secret'):
        try: seen.add((name, open({:?} + name).read()))
        except OSError as error: errors.add(error.errno)
try: open({:?} + '/d/new', 'w').write('x')
except OSError: pass
print(sorted(seen), len(errors) > 0)",
            grounds.seen("out"),
            grounds.seen("out")
        );
        std::thread::scope(|scope| {
            scope.spawn(swap);
            let _stop = stop.drop_guard_ref();
            for language in ["python", "python-native"] {
                let reply = run(&server, language, &code, json!({}));
                let both = "[('/d/secret', 'inside'), ('/link/secret', 'inside')] True\n";
                assert_eq!(reply.output(), both, "{}, {language}", place.name());
            }
            let (mut inside, mut rounds, begun) = (0, 0, Instant::now());
            while rounds < 200 || inside == 0 && begun.elapsed() < RACE {
                rounds += 1;
                let read = server.call("read", json!({"path": grounds.seen("out") + "/d/secret"}));
                assert!(!read.text().contains(&grounds.secret), "{}: {}", place.name(), read.text());
                inside += usize::from(read.text().contains("inside"));
            }
            assert!(inside > 0, "{}", place.name());
        });
        let names: Vec<_> = fs::read_dir(grounds.at("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{}: {names:?}", place.name());
    }
}

fn exchange(one: &Path, other: &Path) {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
}

#[test]
fn a_guest_opens_what_is_mounted_and_nothing_beside_it() {
    for place in ALL {
        let grounds = Grounds::new(place);
        let server = grounds.builder().start();
        let code = format!("print(open({:?}).read())", grounds.seen("in") + "/file");
        assert_eq!(server.execute(&code).output(), "content\n", "{}", place.name());
        let beside = server.execute(&format!("open({:?})", grounds.at("secret").to_str().unwrap()));
        assert!(beside.error("value").starts_with("[Errno 2]"), "{}: {}", place.name(), beside.message);
    }
}

#[test]
fn without_a_root_of_its_own_a_program_is_not_run_where_a_folder_cannot_be_where_it_is_said_to_be() {
    for place in ALL {
        let grounds = Grounds::new(place);
        let server = place.server().flag(format!("--mount={}:/data", grounds.at("in").display())).start();
        let reply = run(&server, "bash", "cat /data/file", json!({}));
        if place.tier() == "container" {
            let refused = reply.refusal();
            assert!(refused.contains("/data cannot be shown here") && refused.contains("SOURCE:SOURCE"), "{refused}");
            assert!(!refused.contains(grounds.at("").to_str().unwrap()), "{refused}");
        } else {
            assert_eq!(reply.output(), "content", "{}", place.name());
        }
        assert_eq!(server.execute("print(open('/data/file').read())").output(), "content\n", "{}", place.name());
    }
}

#[test]
fn secrets_are_in_no_mount_whatever_they_are_called() {
    let place = Place::Root;
    let grounds = Grounds::new(place);
    let server = Server::start();
    let state = server.state_directory().to_path_buf();
    // A bind mount has a path of its own and is the same directory.
    let bound = grounds.at("bound");
    fs::create_dir(&bound).unwrap();
    let mounted = Bound::new(&state, &bound);
    let refusal = |source: &Path| {
        let builder =
            place.server().flag("run").flag("-c").flag("1").flag(format!("--mount={}:/data", source.display()));
        let ended = builder.command(&state).output().unwrap();
        assert!(!ended.status.success(), "{}", source.display());
        String::from_utf8(ended.stderr).unwrap()
    };
    for source in [&bound, &grounds.at(""), &bound.join("store")] {
        let said = refusal(source);
        assert!(said.contains("programs would come to the"), "{}: {said}", source.display());
    }
    drop(mounted);
    // A second name of the key may lie anywhere.
    fs::hard_link(state.join("store/key"), state.with_file_name("other")).unwrap();
    let said = refusal(&grounds.at("in"));
    assert!(said.contains("has another name (a hard link), which may lie in a mount"), "{said}");
}

/// A bind mount, until it is dropped.
struct Bound<'a>(&'a Path);

impl<'a> Bound<'a> {
    fn new(source: &Path, at: &'a Path) -> Self {
        use nix::mount::{MsFlags, mount};
        mount(Some(source), at, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self(at)
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        // The mount is the test's own, and would keep its directory from being removed.
        nix::mount::umount2(self.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn an_interpreter_that_programs_could_change_is_not_run() {
    let place = Place::Root;
    let grounds = Grounds::new(place);
    let out = grounds.at("out");
    let mut make = std::process::Command::new(crate::place::PYTHON);
    make.args(["-m", "venv", "--without-pip"]).arg(out.join("venv"));
    assert!(make.status().unwrap().success());
    let server = |access: &str| {
        let program = out.join("venv/bin/python3");
        let builder = Server::with().flag(format!("--native-program=python-native={}", program.display()));
        builder.flag(format!("--mount={}:/out:{access}", out.display())).start()
    };
    let denied = run(&server("rw"), "python-native", "1", json!({}));
    assert!(denied.refusal().contains("and with it the mounted folder"), "{}", denied.text());
    assert_eq!(run(&server("ro"), "python-native", "print(6 * 7)", json!({})).output(), "42\n");
}

#[test]
fn a_run_beside_goes_on_while_a_folder_is_filled() {
    let grounds = Grounds::new(Place::User);
    let server = grounds.builder().start();
    let limits = json!({"disk_bytes": 16 << 20});
    let beside = begin(&server, "bash", "sleep 2; echo on", json!({}));
    let fill = format!(
        "import os\nfor n in range(64):\n    with open({:?} + f'/{{n}}', 'wb', 0) as file: file.write(bytes(4 << 20)); os.fsync(file)",
        grounds.seen("out")
    );
    for language in ["python", "python-native"] {
        let reply = run(&server, language, &fill, json!({"limits": limits}));
        assert_eq!(reply.status(), "limit_exceeded disk_bytes", "{language}: {}", reply.message);
    }
    let written: u64 =
        fs::read_dir(grounds.at("out")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(written < 160 << 20, "{written}");
    assert_eq!(beside.wait().output(), "on\n");
}
