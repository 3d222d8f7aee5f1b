//! The attempts, and how each ends without the wall and behind it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;

use crate::End::{self, Dies, Fails, Succeeds};

/// The directory that a worker has, and what lies beside it.
pub(crate) struct Place {
    pub(crate) inside: PathBuf,
    /// What guests are shown beside the directory, to be read.
    pub(crate) shown: PathBuf,
    /// What guests are shown beside the directory, to be changed.
    pub(crate) shared: PathBuf,
    outside: PathBuf,
}

impl Place {
    pub(crate) fn below(parent: &Path) -> Self {
        let at = |name| parent.join(name);
        Self { inside: at("inside"), shown: at("shown"), shared: at("shared"), outside: at("outside") }
    }

    pub(crate) fn furnish(&self) {
        for directory in [&self.inside, &self.shown, &self.shared, &self.outside] {
            fs::create_dir_all(directory.join("a")).unwrap();
            fs::create_dir_all(directory.join("b")).unwrap();
            fs::write(directory.join("file"), "content").unwrap();
            std::os::unix::fs::symlink("file", directory.join("link")).unwrap();
        }
    }
}

type Attempt = fn(&Place) -> nix::Result<()>;

/// Name, attempt, its end without the wall, its end behind it.
pub(crate) const ATTEMPTS: &[(&str, Attempt, End, End)] = &[
    // What a worker does all day.
    ("read a file inside", |place| io(read(&place.inside)), Succeeds, Succeeds),
    ("make a file inside", |place| io(fs::write(place.inside.join("new"), "x")), Succeeds, Succeeds),
    ("list inside", |place| list(&place.inside), Succeeds, Succeeds),
    ("move to another directory inside", |place| rename(&place.inside, &place.inside), Succeeds, Succeeds),
    ("move a link inside", |place| move_link(&place.inside), Succeeds, Succeeds),
    ("set the time of an open file", |place| touch(&place.inside), Succeeds, Succeeds),
    ("set the mode of an open file", |place| fchmod(&place.inside, 0o755), Succeeds, Succeeds),
    ("go on with a listing", |place| seek(&place.inside), Succeeds, Succeeds),
    (
        "start a thread",
        |_| std::thread::spawn(|| ()).join().map_err(|_| Errno::UnknownErrno),
        Succeeds,
        Dies(Signal::SIGSYS),
    ),
    ("large allocations", |_| allocate(), Succeeds, Succeeds),
    ("abort", |_| std::process::abort(), Dies(Signal::SIGABRT), Dies(Signal::SIGABRT)),
    // Mounts.
    ("read what is shown", |place| io(read(&place.shown)), Succeeds, Succeeds),
    ("list what is shown", |place| list(&place.shown), Succeeds, Succeeds),
    (
        "make a file in what is shown",
        |place| io(fs::write(place.shown.join("new"), "x")),
        Succeeds,
        Fails(Errno::EACCES),
    ),
    ("remove a file of what is shown", |place| io(remove(&place.shown.join("file"))), Succeeds, Fails(Errno::EACCES)),
    ("move out of what is shown", |place| rename(&place.shown, &place.inside), Succeeds, Fails(Errno::EACCES)),
    ("move into what is shown", |place| rename(&place.inside, &place.shown), Succeeds, Fails(Errno::EACCES)),
    ("make a file in what is shared", |place| io(fs::write(place.shared.join("new"), "x")), Succeeds, Succeeds),
    ("move a link in what is shared", |place| move_link(&place.shared), Succeeds, Fails(Errno::EACCES)),
    ("move what is shared out of there", |place| rename(&place.shared, &place.outside), Succeeds, Fails(Errno::EACCES)),
    // Paths.
    ("read a file outside", |place| io(read(&place.outside)), Succeeds, Fails(Errno::EACCES)),
    ("make a file outside", |place| io(fs::write(place.outside.join("new"), "x")), Succeeds, Fails(Errno::EACCES)),
    ("list outside", |place| list(&place.outside), Succeeds, Fails(Errno::EACCES)),
    ("remove a file outside", |place| io(remove(&place.outside.join("file"))), Succeeds, Fails(Errno::EACCES)),
    ("move out", |place| rename(&place.inside, &place.outside), Succeeds, Fails(Errno::EACCES)),
    ("move in", |place| rename(&place.outside, &place.inside), Succeeds, Fails(Errno::EACCES)),
    ("truncate by path", |place| truncate(&place.outside), Succeeds, Fails(Errno::EPERM)),
    (
        "link in",
        |place| io(fs::hard_link(place.outside.join("file"), place.inside.join("new"))),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    (
        "symbolic link",
        |place| io(std::os::unix::fs::symlink("x", place.inside.join("new"))),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    (
        "read a symbolic link",
        |place| nix::fcntl::readlinkat(nix::fcntl::AT_FDCWD, &place.outside.join("link")).map(drop),
        Succeeds,
        Fails(Errno::EINVAL),
    ),
    ("set a mode outside", |place| fchmod(&place.outside, 0o755), Succeeds, Fails(Errno::EACCES)),
    ("set a mode with rights", |place| fchmod(&place.inside, 0o4755), Succeeds, Fails(Errno::EPERM)),
    ("set a mode that shuts its owner out", |place| fchmod(&place.inside, 0o055), Succeeds, Fails(Errno::EPERM)),
    ("set the mode of a stream", |place| stream(&place.inside), Succeeds, Fails(Errno::EPERM)),
    ("change a mode by path", |place| chmod(&place.inside.join("file")), Succeeds, Fails(Errno::EPERM)),
    ("set a time by path", |place| touch_path(&place.outside.join("file")), Succeeds, Fails(Errno::EPERM)),
    ("change directory", |place| io(std::env::set_current_dir(&place.inside)), Succeeds, Fails(Errno::EPERM)),
    ("its own memory as a file", |_| io(File::open("/proc/self/mem")), Succeeds, Fails(Errno::EACCES)),
    (
        "environment of its parent",
        |_| io(File::open(format!("/proc/{}/environ", parent()))),
        Succeeds,
        Fails(Errno::EACCES),
    ),
    // Programs and processes.
    ("execute", |_| nix::unistd::execv(c"/bin/true", &[c"true"]).map(drop), Succeeds, Dies(Signal::SIGSYS)),
    ("execute from memory", |_| execute_from_memory(), Succeeds, Fails(Errno::EPERM)),
    ("fork", |_| call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0, 0]), Succeeds, Dies(Signal::SIGSYS)),
    ("clone3", |_| call(libc::SYS_clone3, [0; 6]), Fails(Errno::EINVAL), Fails(Errno::ENOSYS)),
    ("a thread in a namespace", |_| namespaced_thread(), Fails(Errno::EINVAL), Dies(Signal::SIGSYS)),
    ("unshare", |_| call(libc::SYS_unshare, [0; 6]), Succeeds, Dies(Signal::SIGSYS)),
    // Other processes.
    ("signal to its parent", |_| call(libc::SYS_kill, [parent(), 0, 0, 0, 0, 0]), Succeeds, Dies(Signal::SIGSYS)),
    ("signal to a thread of its parent", |_| tgkill(parent()), Succeeds, Fails(Errno::EPERM)),
    ("signal to its own thread", |_| tgkill(std::process::id().into()), Succeeds, Succeeds),
    ("handle of its parent", |_| call(libc::SYS_pidfd_open, [parent(), 0, 0, 0, 0, 0]), Succeeds, Dies(Signal::SIGSYS)),
    ("limits of its parent", |_| call(libc::SYS_prlimit64, [parent(), 0, 0, 0, 0, 0]), Succeeds, Dies(Signal::SIGSYS)),
    (
        "priority of its parent",
        |_| call(libc::SYS_setpriority, [0, parent(), 19, 0, 0, 0]),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    (
        "memory of its parent",
        |_| call(libc::SYS_process_vm_readv, [parent(), 0, 0, 0, 0, 0]),
        Succeeds,
        Dies(Signal::SIGSYS),
    ),
    (
        "own signals on readiness",
        |_| call(libc::SYS_fcntl, [2, libc::F_SETOWN.into(), parent(), 0, 0, 0]),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    (
        "to be debugged again",
        |_| call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0, 0]),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    // The network.
    ("internet socket", |_| socket(libc::AF_INET), Succeeds, Dies(Signal::SIGSYS)),
    ("local socket", |_| socket(libc::AF_UNIX), Succeeds, Dies(Signal::SIGSYS)),
    ("routing socket", |_| socket(libc::AF_NETLINK), Succeeds, Dies(Signal::SIGSYS)),
    // New machine code.
    ("map code", |_| map(libc::PROT_READ | libc::PROT_EXEC), Succeeds, Dies(Signal::SIGSYS)),
    (
        "map writable code",
        |_| map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC),
        Succeeds,
        Dies(Signal::SIGSYS),
    ),
    ("map shared memory", |_| map_with(1 << 30, libc::MAP_SHARED), Succeeds, Fails(Errno::EPERM)),
    (
        "map a stack that grows",
        |_| map_with(1 << 30, libc::MAP_PRIVATE | libc::MAP_GROWSDOWN),
        Succeeds,
        Fails(Errno::EPERM),
    ),
    ("map locked memory", |_| map_with(4096, libc::MAP_PRIVATE | libc::MAP_LOCKED), Succeeds, Fails(Errno::EPERM)),
    ("map data", |_| map(libc::PROT_READ | libc::PROT_WRITE), Succeeds, Succeeds),
    ("turn data into code", |_| protect(libc::PROT_READ | libc::PROT_EXEC), Succeeds, Dies(Signal::SIGSYS)),
    ("turn data read-only", |_| protect(libc::PROT_READ), Succeeds, Succeeds),
    // Parts of the kernel.
    ("io_uring", |_| call(libc::SYS_io_uring_setup, [0; 6]), Fails(Errno::EFAULT), Dies(Signal::SIGSYS)),
    ("userfaultfd", |_| call(libc::SYS_userfaultfd, [1, 0, 0, 0, 0, 0]), Succeeds, Dies(Signal::SIGSYS)),
    ("keys", |_| call(libc::SYS_keyctl, [0xffff, 0, 0, 0, 0, 0]), Fails(Errno::EOPNOTSUPP), Dies(Signal::SIGSYS)),
    ("futexes with priority inheritance", |_| futex_unlock_pi(), Succeeds, Fails(Errno::EPERM)),
    ("what is not listed", |_| call(libc::SYS_getppid, [0; 6]), Succeeds, Fails(Errno::EPERM)),
];

fn io<T>(result: io::Result<T>) -> nix::Result<()> {
    result.map(drop).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

fn parent() -> libc::c_long {
    std::env::var("PARENT").unwrap().parse().unwrap()
}

fn call(number: libc::c_long, arguments: [libc::c_long; 6]) -> nix::Result<()> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the attempts above pass numbers and null pointers, or pointers
    // to what lives until the call returns. A child that `clone` makes shares
    // nothing with this process and ends as it does.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e, f) }).map(drop)
}

fn read(directory: &Path) -> io::Result<usize> {
    File::open(directory.join("file"))?.read_at(&mut [0; 8], 0)
}

fn list(directory: &Path) -> nix::Result<()> {
    let opened = File::open(directory).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
    let mut entries = [0_u8; 4096];
    let at = entries.as_mut_ptr().addr().cast_signed() as libc::c_long;
    call(libc::SYS_getdents64, [opened.as_raw_fd().into(), at, 4096, 0, 0, 0])
}

fn remove(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(nix::fcntl::AT_FDCWD, path, nix::unistd::UnlinkatFlags::NoRemoveDir)?)
}

fn rename(from: &Path, to: &Path) -> nix::Result<()> {
    let at = nix::fcntl::AT_FDCWD;
    nix::fcntl::renameat(at, &from.join("file"), at, &to.join("b/moved"))
}

fn move_link(directory: &Path) -> nix::Result<()> {
    let at = nix::fcntl::AT_FDCWD;
    nix::fcntl::renameat(at, &directory.join("link"), at, &directory.join("b/link"))
}

fn truncate(directory: &Path) -> nix::Result<()> {
    nix::unistd::truncate(&directory.join("file"), 0)
}

fn fchmod(directory: &Path, mode: libc::mode_t) -> nix::Result<()> {
    let file = File::open(directory.join("file")).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))?;
    set_mode(file, mode)
}

fn set_mode(file: impl std::os::fd::AsFd, mode: libc::mode_t) -> nix::Result<()> {
    nix::sys::stat::fchmod(file, nix::sys::stat::Mode::from_bits_retain(mode))
}

/// A file of its own in the place of a stream: the real one may be a device of
/// the machine, whose mode a control would change for everybody.
fn stream(directory: &Path) -> nix::Result<()> {
    nix::unistd::close(0)?;
    let file = File::open(directory.join("file")).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))?;
    // The lowest number that is free.
    assert_eq!(file.as_raw_fd(), 0);
    set_mode(&file, 0o644)
}

fn seek(directory: &Path) -> nix::Result<()> {
    let file = File::open(directory).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))?;
    nix::unistd::lseek(file, 0, nix::unistd::Whence::SeekSet).map(drop)
}

fn chmod(path: &Path) -> nix::Result<()> {
    let (at, follow) = (nix::fcntl::AT_FDCWD, nix::sys::stat::FchmodatFlags::FollowSymlink);
    nix::sys::stat::fchmodat(at, path, nix::sys::stat::Mode::S_IRWXU, follow)
}

fn touch(directory: &Path) -> nix::Result<()> {
    let file = File::options().write(true).open(directory.join("file")).unwrap();
    let time = nix::sys::time::TimeSpec::new(1, 1);
    nix::sys::stat::futimens(&file, &time, &time)
}

fn touch_path(path: &Path) -> nix::Result<()> {
    let time = nix::sys::time::TimeSpec::new(1, 1);
    let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flags)
}

fn allocate() -> nix::Result<()> {
    let mut bytes = Vec::new();
    for turn in 0..200 {
        bytes.resize(turn << 16, 1_u8);
        std::hint::black_box(&bytes);
    }
    Ok(())
}

fn execute_from_memory() -> nix::Result<()> {
    let file = nix::sys::memfd::memfd_create(c"program", nix::sys::memfd::MFdFlags::empty())?;
    let mut file = File::from(file);
    io(io::copy(&mut File::open("/bin/true").unwrap(), &mut file))?;
    nix::unistd::execv(&std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap(), &[c"true"])
        .map(drop)
}

fn namespaced_thread() -> nix::Result<()> {
    // The call has no stack, so that it fails where nothing forbids it.
    call(libc::SYS_clone, [(libc::CLONE_THREAD | libc::CLONE_NEWUSER).into(), 0, 0, 0, 0, 0])
}

fn tgkill(process: libc::c_long) -> nix::Result<()> {
    call(libc::SYS_tgkill, [process, process, 0, 0, 0, 0])
}

fn socket(family: i32) -> nix::Result<()> {
    call(libc::SYS_socket, [family.into(), (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC).into(), 0, 0, 0, 0])
}

fn map(protection: i32) -> nix::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    call(libc::SYS_mmap, [0, 4096, protection.into(), flags.into(), -1, 0])
}

fn map_with(length: libc::c_long, flags: i32) -> nix::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    call(libc::SYS_mmap, [0, length, protection.into(), (flags | libc::MAP_ANONYMOUS).into(), -1, 0])
}

fn protect(protection: i32) -> nix::Result<()> {
    let length = std::num::NonZero::new(4096).unwrap();
    let (writable, private) = (
        nix::sys::mman::ProtFlags::PROT_READ | nix::sys::mman::ProtFlags::PROT_WRITE,
        nix::sys::mman::MapFlags::MAP_PRIVATE,
    );
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe { nix::sys::mman::mmap_anonymous(None, length, writable, private) }.unwrap();
    call(libc::SYS_mprotect, [page.as_ptr().addr().cast_signed() as libc::c_long, 4096, protection.into(), 0, 0, 0])
}

fn futex_unlock_pi() -> nix::Result<()> {
    // The word says that this thread holds it.
    let word = nix::unistd::gettid().as_raw();
    let at = (&raw const word).addr().cast_signed() as libc::c_long;
    call(libc::SYS_futex, [at, (libc::FUTEX_UNLOCK_PI | libc::FUTEX_PRIVATE_FLAG).into(), 0, 0, 0, 0])
}
