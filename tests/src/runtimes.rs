//! A folder of runtimes as an operator has it, with guests that tests bring
//! along: see `guests/tally.wat` and `guests/caller.wat`.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const TALLY: &str = include_str!("../guests/tally.wat");
const CALLER: &str = include_str!("../guests/caller.wat");

/// A folder for the setting `runtimes`.
#[derive(Debug)]
pub struct RuntimesFolder(TempDir);

/// A runtime of the guest `tally`. Its numbers are other than CPython's, all of
/// them.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The language id.
    pub id: &'static str,
    /// The module of the guest, as text in which `ABI` stands for the version.
    pub text: &'static str,
    /// The ABI that the guest speaks.
    pub abi: u32,
    /// A number that makes the image another than that of a second runtime.
    pub build: u32,
    /// What the guest's memory starts with, in pages of 64 KiB.
    pub pages: u32,
    /// What stands in the module besides, as text.
    pub besides: &'static str,
    /// The table `instance`.
    pub instance: [(&'static str, u64); 7],
}

impl Default for Tally {
    fn default() -> Self {
        let instance = Self::INSTANCE;
        Self { id: "tally", text: Self::COUNTS, abi: 1, build: 0, pages: 32, besides: "", instance }
    }
}

impl Tally {
    /// The table `instance` of its description.
    pub const INSTANCE: [(&'static str, u64); 7] = [
        ("initial_bytes", 2 << 20),
        ("minimum_bytes", 4 << 20),
        ("headroom_bytes", 256 << 10),
        ("stack_bytes", 256 << 10),
        ("warm_slots", 1),
        ("warm_bytes", 1 << 20),
        ("hot_bytes", 64 << 10),
    ];

    /// A guest that counts.
    pub const COUNTS: &str = TALLY;
    /// A guest that calls its host as it is told.
    pub const CALLS: &str = CALLER;

    /// This runtime, with another number in the table `instance`.
    pub fn with(mut self, key: &str, value: u64) -> Self {
        let entry = self.instance.iter_mut().find(|(name, _)| *name == key).expect("it is a key of the table");
        entry.1 = value;
        self
    }

    /// The image, a WebAssembly module.
    fn image(&self) -> Vec<u8> {
        let own =
            format!("(data (i32.const 32) \"{}\")\n{}\n(func (export \"guest_abi_version\")", self.build, self.besides);
        let text = self.text.replace("(i32.const ABI)", &format!("(i32.const {})", self.abi));
        let text = text.replace("(func (export \"guest_abi_version\")", &own);
        let text =
            text.replace("(memory (export \"memory\") 32)", &format!("(memory (export \"memory\") {})", self.pages));
        wat::parse_str(text).expect("it is WebAssembly")
    }
}

impl RuntimesFolder {
    /// A folder with these runtimes in it.
    pub fn with(runtimes: impl IntoIterator<Item = Tally>) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory can be made"));
        runtimes.into_iter().for_each(|runtime| folder.add(&runtime));
        folder
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The folder of one runtime.
    pub fn of(&self, id: &str) -> PathBuf {
        self.path().join(id)
    }

    /// Adds a runtime.
    pub fn add(&self, tally: &Tally) {
        let image = tally.image();
        let compressed = zstd::bulk::compress(&image, 3).expect("it can be compressed");
        let (digest, of_file) = (digest(&image), digest(&compressed));
        let mut description = format!(
            "id = \"{}\"\nname = \"Tally\"\ndescription = \"counts\"\nversion = \"1.{}\"\nabi = {}\n\
             image = \"image.wasm.zst\"\nimage_sha256 = \"{digest}\"\nimage_bytes = {}\n\
             compressed_sha256 = \"{of_file}\"\ncompressed_bytes = {}\n\n[instance]\n",
            tally.id,
            tally.build,
            tally.abi,
            image.len(),
            compressed.len()
        );
        for (key, value) in tally.instance {
            description += &format!("{key} = {value}\n");
        }
        let own = self.of(tally.id);
        std::fs::create_dir_all(&own).expect("a folder can be made");
        std::fs::write(own.join("image.wasm.zst"), compressed).expect("an image can be written");
        std::fs::write(own.join("runtime.toml"), description).expect("a description can be written");
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
