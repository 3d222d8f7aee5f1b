//! Redis as far as a cache needs it, in the memory of a test, which lies as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Every answer is right.
    None,
    /// Nobody speaks: connections end at once.
    Gone,
    /// Connections end in the middle of an answer.
    Lost,
    /// No answer comes.
    Silent,
    /// The server takes nothing more: `-OOM`.
    Full,
    /// The server refuses who comes, and repeats their password.
    Telltale,
    /// The server does not speak the protocol.
    Garbage,
    /// The server says that content comes that would fill all memory.
    Endless,
    /// What the server has of an object is damaged.
    Damaged,
    /// What the server has of an object is another's.
    Anothers,
    /// Answers take a second.
    Slow,
    /// What the server is given it says it took, and goes on with what it had.
    Stale,
}

impl Lie {
    /// The lies that are found out by each answer.
    pub const ALL: [Self; 9] = [
        Self::Gone,
        Self::Lost,
        Self::Silent,
        Self::Full,
        Self::Garbage,
        Self::Endless,
        Self::Damaged,
        Self::Anothers,
        Self::Slow,
    ];
}

struct Shared {
    entries: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// How often the server gave the content of one key away, and how often it had none.
    found: Mutex<(u64, u64)>,
    /// How often the server lied, and how often it was asked for several keys at once.
    lies: AtomicU64,
    looks: AtomicU64,
    lie: Mutex<Lie>,
    connections: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

/// The server. It ends when dropped.
pub struct Redis {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Redis {
    /// A server with nothing in it, on a free port of this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a socket has an address");
        let shared = Arc::new(Shared {
            entries: Mutex::default(),
            found: Mutex::default(),
            lies: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            lie: Mutex::new(Lie::None),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let listener = spawn(move || {
            for stream in listener.incoming() {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                lock(&served.connections).push(stream.try_clone().expect("a socket can be cloned"));
                let shared = Arc::clone(&served);
                spawn(move || serve(&shared, stream));
            }
        });
        Self { shared, address, listener: Some(listener) }
    }

    /// Where the server listens.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Has the server lie so from now on.
    pub fn lie(&self, lie: Lie) {
        *lock(&self.shared.lie) = lie;
    }

    /// How often the server gave the content of one key away, and how often it had none.
    pub fn found(&self) -> (u64, u64) {
        *lock(&self.shared.found)
    }

    /// How often the server lied.
    pub fn lies(&self) -> u64 {
        self.shared.lies.load(Ordering::SeqCst)
    }

    /// How often the server was asked for notes, which are asked for at one go.
    pub fn looks(&self) -> u64 {
        self.shared.looks.load(Ordering::SeqCst)
    }

    /// Puts something there that no server gave it.
    pub fn insert(&self, key: &[u8], content: &[u8]) {
        lock(&self.shared.entries).insert(key.to_vec(), content.to_vec());
    }

    /// Loses all that the server holds.
    pub fn flush(&self) {
        lock(&self.shared.entries).clear();
    }

    /// What the server holds.
    pub fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        lock(&self.shared.entries).clone()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection has the listener look up.
        let _ = TcpStream::connect(self.address);
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    let mut output = stream.try_clone().expect("a socket can be cloned");
    let mut input = BufReader::new(stream);
    while let Some(words) = command(&mut input) {
        let lie = *lock(&shared.lie);
        shared.lies.fetch_add(u64::from(lie != Lie::None), Ordering::SeqCst);
        let mut answer = match words.first().map(Vec::as_slice) {
            Some(b"AUTH") if lie == Lie::Telltale => {
                [b"-ERR unknown command 'AUTH', with args beginning with: '", words[2].as_slice(), b"'\r\n"].concat()
            }
            Some(b"SET") if lie == Lie::Full => {
                b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_vec()
            }
            Some(b"SET") if lie == Lie::Stale => b"+OK\r\n".to_vec(),
            Some(b"SET") => {
                lock(&shared.entries).insert(words[1].clone(), words[2].clone());
                b"+OK\r\n".to_vec()
            }
            Some(b"GET") => {
                let found = found(shared, &words[1], lie);
                let mut counts = lock(&shared.found);
                *if found.is_some() { &mut counts.0 } else { &mut counts.1 } += 1;
                bulk(found)
            }
            Some(b"MGET") => {
                shared.looks.fetch_add(1, Ordering::SeqCst);
                let each = words[1..].iter().flat_map(|key| bulk(found(shared, key, lie)));
                format!("*{}\r\n", words.len() - 1).into_bytes().into_iter().chain(each).collect()
            }
            _ => b"+OK\r\n".to_vec(),
        };
        match lie {
            Lie::Gone => break,
            Lie::Lost => answer.truncate(answer.len() / 2),
            Lie::Silent => {
                let _ = input.read(&mut [0]);
                break;
            }
            Lie::Garbage => answer = b"\0\xff garbage without an end of a line".repeat(100),
            Lie::Endless => answer = b"$2147483647\r\n".to_vec(),
            Lie::Slow => sleep(Duration::from_secs(1)),
            Lie::None | Lie::Full | Lie::Telltale | Lie::Damaged | Lie::Anothers | Lie::Stale => {}
        }
        if output.write_all(&answer).is_err() || lie == Lie::Lost {
            break;
        }
    }
    let _ = output.shutdown(Shutdown::Both);
}

/// What the server says that it has under a key.
fn found(shared: &Shared, key: &[u8], lie: Lie) -> Option<Vec<u8>> {
    let entries = lock(&shared.entries);
    // The longest of the others is taken, which is the most like it.
    let anothers = || {
        let others = entries.iter().filter(|(other, _)| *other != key);
        others.map(|(_, content)| content).max_by_key(|content| content.len())
    };
    let found = if lie == Lie::Anothers { anothers() } else { entries.get(key) };
    let mut content = found?.clone();
    if lie == Lie::Damaged {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    }
    Some(content)
}

fn bulk(content: Option<Vec<u8>>) -> Vec<u8> {
    match content {
        Some(content) => [format!("${}\r\n", content.len()).as_bytes(), &content, b"\r\n"].concat(),
        None => b"$-1\r\n".to_vec(),
    }
}

fn command(input: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let mut number = |kind: char| {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let number: usize = line.trim_end().strip_prefix(kind)?.parse().ok()?;
        if kind == '*' {
            return Some((number, Vec::new()));
        }
        let mut content = vec![0; number + 2];
        input.read_exact(&mut content).ok()?;
        content.truncate(number);
        Some((number, content))
    };
    let (count, _) = number('*')?;
    (0..count).map(|_| number('$').map(|(_, content)| content)).collect()
}
