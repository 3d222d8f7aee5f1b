//! Credentials in a file that is mounted: the one that Amazon's tools share, with the
//! section `[default]`. It is read again when it changes, so they can be rotated.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::Mutex;

use crate::given_file::{GivenFile, Stamp};

/// The longest file. A token of a session has a few KiB at most.
const MAX_BYTES: u64 = 64 << 10;

/// The credentials in a file.
#[derive(Debug)]
pub(super) struct CredentialFile {
    path: PathBuf,
    known: Mutex<(Option<Stamp>, Arc<AwsCredential>)>,
}

impl CredentialFile {
    /// Reads the file.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let read = read(path).with_context(|| format!("failed to use the credentials {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), known: Mutex::new(read) })
    }
}

#[async_trait]
impl CredentialProvider for CredentialFile {
    type Credential = AwsCredential;

    // A look at one small file, which is shorter than handing it to another thread.
    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.known.lock();
        let now = fs::metadata(&self.path).ok().as_ref().map(Stamp::of);
        if now != known.0 {
            // Of what cannot be used is said once that it cannot.
            known.0 = now;
            match read(&self.path) {
                Ok(new) => *known = new,
                // What is being replaced may be gone for a moment.
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    file = %self.path.display(),
                    "the credentials of the store cannot be read again; those known before stay in use"
                ),
            }
        }
        Ok(Arc::clone(&known.1))
    }
}

fn read(path: &Path) -> anyhow::Result<(Option<Stamp>, Arc<AwsCredential>)> {
    let file = GivenFile::open(path, 0)?;
    ensure!(file.is_file(), "it is no file");
    let (mode, stamp) = (file.mode(), file.stamp());
    ensure!(
        mode & 0o027 == 0,
        "others than its owner can change it, or others than its owner and group can read it: mode {mode:04o}, at most 0640"
    );
    let text = file.read(MAX_BYTES)?.with_context(|| format!("it has more than {MAX_BYTES} bytes"))?;
    Ok((Some(stamp), Arc::new(parse(&String::from_utf8(text)?)?)))
}

/// The keys of the section `default`.
fn parse(text: &str) -> anyhow::Result<AwsCredential> {
    let (mut key_id, mut secret_key, mut token) = (None, None, None);
    let mut is_ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_ours = matches!(section.trim(), "default" | "profile default");
        } else if is_ours && let Some((name, value)) = line.split_once('=') {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim() {
                "aws_access_key_id" => key_id = value,
                "aws_secret_access_key" => secret_key = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    let (Some(key_id), Some(secret_key)) = (key_id, secret_key) else {
        bail!("it must have a section [default] with aws_access_key_id and aws_secret_access_key");
    };
    Ok(AwsCredential { key_id, secret_key, token })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the file that is read here")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ONE: &str =
        "[other]\naws_access_key_id = no\n[default]\naws_access_key_id = one\naws_secret_access_key=a=b\n";

    #[tokio::test]
    async fn credentials_are_taken_from_a_closed_file_and_again_when_it_changes() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("credentials");
        let put = |text: &str, mode| {
            let new = parent.path().join("new");
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
            fs::rename(new, &path).unwrap();
        };
        assert!(CredentialFile::open(&path).is_err());
        put(ONE, 0o644);
        let refused = format!("{:#}", CredentialFile::open(&path).unwrap_err());
        assert!(refused.contains("mode 0644, at most 0640") && refused.contains("credentials"), "{refused}");
        put(ONE, 0o660);
        assert!(format!("{:#}", CredentialFile::open(&path).unwrap_err()).contains("mode 0660, at most 0640"));
        let pipe = parent.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(format!("{:#}", CredentialFile::open(&pipe).unwrap_err()).contains("it is no file"));
        put(ONE, 0o440);
        let file = CredentialFile::open(&path).unwrap();
        let first = file.get_credential().await.unwrap();
        assert_eq!((first.key_id.as_str(), first.secret_key.as_str(), &first.token), ("one", "a=b", &None));
        put("[default]\naws_access_key_id=two\naws_secret_access_key=c\naws_session_token = t\n", 0o400);
        let second = file.get_credential().await.unwrap();
        assert_eq!((second.key_id.as_str(), second.token.as_deref()), ("two", Some("t")));
        put("[default]\n", 0o400);
        assert_eq!(file.get_credential().await.unwrap().key_id, "two", "what cannot be used changes nothing");
        fs::remove_file(&path).unwrap();
        assert_eq!(file.get_credential().await.unwrap().key_id, "two");
        put(ONE, 0o400);
        assert_eq!(file.get_credential().await.unwrap().key_id, "one", "what is back counts again");
    }
}
