//! TLS, where a certificate is given. Its files are read again when they change, so
//! that whoever renews it restarts nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::bounds::HEAD_TIME;
use crate::config::TlsFiles;
use crate::given_file::{GivenFile, Stamp};

/// How often the files are looked at, at the most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The longest that either may be: chains of certificates have some 10 KiB.
const MOST_BYTES: u64 = 1 << 20;
/// The first byte of every connection with TLS (RFC 8446, section 5.1: a handshake).
const HANDSHAKE: u8 = 22;

/// Why there is no TLS with these files.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("failed to read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} must be a file of at most {MOST_BYTES} bytes", .0.display())]
    NoFile(PathBuf),
    #[error(
        "everybody on this machine can read or change the key {}, which has mode {mode:04o}: only its owner and group may, \
         as with mode 0640 (chmod 640)",
        path.display()
    )]
    Shared { path: PathBuf, mode: u32 },
    #[error("{} must hold certificates in PEM, the server's own first", path.display())]
    NoCertificate { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{} must hold a private key in PEM", path.display())]
    NoKey { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the certificate in {} and the key in {} cannot be used together", files.certificate.display(), files.key.display())]
    Unfit { files: TlsFiles, source: rustls::Error },
}

/// Why a connection has no TLS.
#[derive(Debug, Error)]
pub(super) enum NoTls {
    /// The client speaks HTTP. It gets the socket back.
    #[error("its client speaks HTTP without TLS")]
    Plain(TcpStream),
    #[error("the handshake took longer than {} s", HEAD_TIME.as_secs())]
    Slow,
    #[error("the handshake failed")]
    Failed(#[from] std::io::Error),
}

/// The certificate of this server.
pub(crate) struct Tls {
    files: TlsFiles,
    loaded: Mutex<Loaded>,
}

/// The certificate as it was read.
struct Loaded {
    config: Arc<ServerConfig>,
    /// What tells the files from others that take their places.
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// When they cannot be used, or everybody can read the key.
    pub(crate) fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        // The stamps are taken before the files are read: what changes meanwhile is
        // seen with the next look.
        let stamps = stamps(&files);
        let loaded = Loaded { config: load(&files)?, stamps, looked: Instant::now() };
        Ok(Arc::new(Self { files, loaded: Mutex::new(loaded) }))
    }

    /// Reads the files again if they have changed. Where they cannot be used, what
    /// they were goes on, and the log says so once for each change.
    fn look(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock();
        loaded.looked = Instant::now();
        let stamps = stamps(&self.files);
        if stamps != loaded.stamps {
            loaded.stamps = stamps;
            match load(&self.files) {
                Ok(config) => {
                    loaded.config = config;
                    tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the certificate changed and cannot be used; the one before stays");
                }
            }
        }
        Arc::clone(&loaded.config)
    }

    async fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        {
            let loaded = self.loaded.lock();
            if loaded.looked.elapsed() < LOOK_INTERVAL {
                return Arc::clone(&loaded.config);
            }
        }
        let tls = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || tls.look()).await;
        looked.unwrap_or_else(|_| Arc::clone(&self.loaded.lock().config))
    }

    /// Agrees on TLS with a client.
    ///
    /// # Errors
    ///
    /// When it does not, or takes too long.
    pub(super) async fn accept(self: &Arc<Self>, stream: TcpStream) -> Result<TlsStream<TcpStream>, NoTls> {
        let accept = async {
            let mut first = [0];
            stream.peek(&mut first).await?;
            if first[0] != HANDSHAKE && first[0].is_ascii_alphabetic() {
                return Err(NoTls::Plain(stream));
            }
            Ok(TlsAcceptor::from(self.config().await).accept(stream).await?)
        };
        timeout(HEAD_TIME, accept).await.unwrap_or(Err(NoTls::Slow))
    }
}

fn stamps(files: &TlsFiles) -> [Option<Stamp>; 2] {
    [&files.certificate, &files.key].map(|path| path.metadata().ok().as_ref().map(Stamp::of))
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, _) = read(&files.certificate)?;
    let (key, mode) = read(&files.key)?;
    if mode & 0o007 != 0 {
        return Err(TlsError::Shared { path: files.key.clone(), mode });
    }
    let no_certificate = |source| TlsError::NoCertificate { path: files.certificate.clone(), source };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>().map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|source| TlsError::NoKey { path: files.key.clone(), source })?;
    let unfit = |source| TlsError::Unfit { files: files.clone(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let file = GivenFile::open(path, 0).map_err(unreadable)?;
    let mode = file.mode();
    let bytes = if file.is_file() { file.read(MOST_BYTES).map_err(unreadable)? } else { None };
    Ok((bytes.ok_or_else(|| TlsError::NoFile(path.to_owned()))?, mode))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read here")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    fn files(directory: &TempDir) -> TlsFiles {
        TlsFiles { certificate: directory.path().join("certificate"), key: directory.path().join("key") }
    }

    fn put(files: &TlsFiles, certificate: &str, key: &str) {
        fs::write(&files.certificate, certificate).unwrap();
        let _ = fs::remove_file(&files.key);
        fs::write(&files.key, key).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
    }

    fn pair(name: &str) -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_needs_its_own_key_which_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        let ((certificate, key), (_, other)) = (pair("a.example"), pair("b.example"));
        let refused = || Tls::open(files.clone()).err().unwrap();
        put(&files, &certificate, &key);
        Tls::open(files.clone()).ok().unwrap();
        for mode in [0o644, 0o604, 0o642, 0o666] {
            fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
            let error = refused().to_string();
            assert!(error.contains(&format!("mode {mode:04o}")) && error.contains("chmod 640"), "{error}");
        }
        put(&files, &certificate, &other);
        assert!(matches!(refused(), TlsError::Unfit { .. }));
        put(&files, &key, &key);
        assert!(matches!(refused(), TlsError::NoCertificate { .. }));
        put(&files, &certificate, &certificate);
        assert!(matches!(refused(), TlsError::NoKey { .. }));
        put(&files, &certificate, &"x".repeat(MOST_BYTES as usize + 1));
        assert!(matches!(refused(), TlsError::NoFile(_)));
        fs::remove_file(&files.key).unwrap();
        assert!(matches!(refused(), TlsError::Unreadable { .. }));
        nix::unistd::mkfifo(&files.key, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(refused(), TlsError::NoFile(_)), "a pipe is not waited for");
    }

    #[test]
    fn what_changes_is_read_again_and_what_cannot_be_used_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        let ((certificate, key), (next, next_key)) = (pair("a.example"), pair("b.example"));
        put(&files, &certificate, &key);
        let tls = Tls::open(files.clone()).ok().unwrap();
        let first = tls.look();
        assert!(Arc::ptr_eq(&first, &tls.look()), "nothing has changed");
        // One of the two files is there, and the other comes in a moment.
        fs::write(&files.certificate, &next).unwrap();
        assert!(Arc::ptr_eq(&first, &tls.look()));
        put(&files, &next, &next_key);
        let second = tls.look();
        assert!(!Arc::ptr_eq(&first, &second));
        fs::remove_file(&files.key).unwrap();
        assert!(Arc::ptr_eq(&second, &tls.look()));
    }
}
