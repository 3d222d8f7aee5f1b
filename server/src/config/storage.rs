//! Where sessions lie at rest, and what they are sealed with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::ensure;
use sandbox::StoreBackend;

use super::values::{EndpointSetting, Level, RedisSetting, StoreSetting};
use crate::storage::{Storage, StorageSettings};

/// What is written of the store.
pub(super) struct WrittenStore {
    pub(super) store: Option<StoreSetting>,
    pub(super) endpoint: Option<EndpointSetting>,
    pub(super) region: Option<String>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) plain_http: Option<Vec<String>>,
    pub(super) keys: Option<PathBuf>,
    pub(super) redis: Option<RedisSetting>,
    pub(super) durability: Option<Level>,
}

/// What the settings of the store mean.
pub(super) struct StorePlace {
    pub(super) backend: StoreBackend,
    pub(super) storage: Option<Arc<Storage>>,
    pub(super) default_bytes: u64,
    pub(super) keys: Option<PathBuf>,
    /// Files of the store that nobody else is to see.
    pub(super) secrets: Vec<PathBuf>,
}

impl WrittenStore {
    pub(super) fn checked(self) -> anyhow::Result<StorePlace> {
        let store = self.store.unwrap_or(StoreSetting::Directory);
        ensure!(
            store != StoreSetting::Memory || self.durability != Some(Level::Disk),
            "with `store = \"memory\"` sessions end with the server, and `durability = \"disk\"` says that they outlast \
             a power failure: take one of the two back"
        );
        ensure!(
            store != StoreSetting::Memory || self.keys.is_none(),
            "with `store = \"memory\"` there are no keys to keep, and `store_keys` names some: take one of the two back"
        );
        ensure!(
            !matches!(store, StoreSetting::S3(_)) || self.keys.is_some(),
            "sessions in a bucket are sealed with keys that all servers over it have: put some into a file \
             (`head -c 32 /dev/urandom > store-keys; chmod 400 store-keys`), mount it into each of them, and name it by \
             `store_keys`"
        );
        let secrets =
            [&self.keys, &self.credentials].into_iter().flatten().flat_map(|path| with_folder(path)).collect();
        let (backend, storage) = match store {
            StoreSetting::S3(bucket) => {
                let storage = Arc::new(Storage::new(StorageSettings {
                    bucket,
                    endpoint: self.endpoint.map(|EndpointSetting(endpoint)| endpoint),
                    region: self.region,
                    credentials: self.credentials,
                    plain_http: self.plain_http.unwrap_or_default(),
                    redis: self.redis.map(|RedisSetting(address)| address),
                })?);
                (StoreBackend::Objects(storage.objects()), Some(storage))
            }
            StoreSetting::Directory | StoreSetting::Memory => {
                let is_set = [
                    ("store_endpoint", self.endpoint.is_some()),
                    ("store_region", self.region.is_some()),
                    ("store_credentials", self.credentials.is_some()),
                    ("store_plain_http", self.plain_http.is_some()),
                    ("redis", self.redis.is_some()),
                ];
                for (name, is_set) in is_set {
                    ensure!(!is_set, "`{name}` is for a store that s3://BUCKET/PREFIX names, and `store` names none");
                }
                let is_memory = store == StoreSetting::Memory;
                (if is_memory { StoreBackend::Memory } else { StoreBackend::Directory }, None)
            }
        };
        let default_bytes = match backend {
            StoreBackend::Memory => 512 << 20,
            StoreBackend::Directory => 5 << 30,
            StoreBackend::Objects(_) => 1 << 40,
        };
        Ok(StorePlace { backend, storage, default_bytes, keys: self.keys, secrets })
    }
}

/// A file, and the folder that Kubernetes puts its successors in: the file is a link.
fn with_folder(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| path.is_symlink() && folder.parent().is_some());
    [Some(path), folder].into_iter().flatten().map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use sandbox::StoreBackend;

    #[test]
    fn a_store_is_a_directory_memory_or_a_bucket() {
        let config =
            load("store = \"s3://belljar/a\"\nstore_keys = \"/k\"\nstore_endpoint = \"http://127.0.0.1:9\"\n", &[])
                .unwrap();
        assert!(matches!(config.executor.store, StoreBackend::Objects(_)) && config.executor.store_bytes == 1 << 40);
        assert_eq!(config.storage.unwrap().to_string(), "s3://belljar/a at http://127.0.0.1:9");
        let config =
            load("", &["--store=s3://belljar", "--store-keys=/k", "--store-endpoint=https://minio.example:9000/"])
                .unwrap();
        assert_eq!(config.storage.unwrap().to_string(), "s3://belljar at https://minio.example:9000");
        let said = |flags: &[&str]| format!("{:#}", load("", flags).unwrap_err());
        let own = said(&["--store=s3://belljar"]);
        assert!(own.contains("sealed with keys that all servers over it have"), "{own}");
        let clear = ["--store=s3://belljar", "--store-keys=/k", "--store-endpoint=http://minio:9000"];
        assert!(said(&clear).contains("store_plain_http = [\"minio\"]"), "{}", said(&clear));
        load("", &[&clear[..], &["--store-plain-http=minio"]].concat()).unwrap();
        let lone = said(&["--store-endpoint=http://127.0.0.1:9"]);
        assert!(lone.contains("`store_endpoint` is for a store that s3://BUCKET/PREFIX names"), "{lone}");
        let sealed = said(&["--store=memory", "--store-keys=/k"]);
        assert!(sealed.contains("there are no keys to keep"), "{sealed}");
        let wrong = format!("{:#}", load("store = \"disk\"", &[]).unwrap_err());
        assert!(wrong.contains("expected `directory`, `memory` or s3://BUCKET/PREFIX, got `disk`"), "{wrong}");
    }
}
