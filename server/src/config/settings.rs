//! Every setting, declared once: what is a flag and a variable here is a key of
//! `belljar.toml` too. What a value may be stands in `config/mod.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::oauth::WrittenOauth;
use super::serving::{Network, Origin, PublicUrl};
use super::tenants::TenantSettings;
use super::traces::WrittenTraces;
use super::values::{
    Address, AuditFailure, EndpointSetting, Level, LimitSetting, Method, MountSetting, ProgramSetting, RedisSetting,
    StoreSetting, VariableSetting, WeakestTier, from_table,
};

/// Names the log filter. As a variable, unlike as a flag or in the file, it
/// also reaches the processes that the server starts.
pub(crate) const LOG_VARIABLE: &str = "BELLJAR_LOG";

// No documentation comment: clap would take it for what the whole command does.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[command(next_help_heading = "Settings")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Configuration file [default: belljar.toml in $XDG_CONFIG_HOME/belljar, if it is there]
    #[arg(long, global = true, env = "BELLJAR_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,
    /// What to log to standard error: error, warn, info, debug, or a filter such as sandbox=debug
    #[arg(long, global = true, env = LOG_VARIABLE, value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// File for the audit log: lines of JSON that say who ran what and what came of it [default: none]
    #[arg(long, global = true, env = "BELLJAR_AUDIT_LOG", value_name = "FILE")]
    pub(super) audit_log: Option<PathBuf>,
    /// Write programs into the audit log too, up to 64 KiB of each, beside their digests
    #[arg(
        long,
        global = true,
        env = "BELLJAR_AUDIT_CODE",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) audit_code: Option<bool>,
    /// What becomes of runs while the audit log cannot be written [default: refuse]
    #[arg(long, global = true, env = "BELLJAR_AUDIT_FAILURE", value_name = "ACTION")]
    pub(super) audit_failure: Option<AuditFailure>,
    /// Where workspaces lie while the server lives [default: $XDG_STATE_HOME/belljar]
    #[arg(long, global = true, env = "BELLJAR_STATE_DIRECTORY", value_name = "DIR")]
    pub(super) state_directory: Option<PathBuf>,
    /// Where compiled guest images lie [default: $XDG_CACHE_HOME/belljar]
    #[arg(long, global = true, env = "BELLJAR_CACHE_DIRECTORY", value_name = "DIR")]
    pub(super) cache_directory: Option<PathBuf>,
    /// Folder with more languages: in each folder in it, runtime.toml and the image that it names
    #[arg(long, global = true, env = "BELLJAR_RUNTIMES", value_name = "DIR")]
    pub(super) runtimes: Option<PathBuf>,
    /// Languages that may be run, such as python,bash [default: all]
    #[arg(long, global = true, env = "BELLJAR_LANGUAGES", value_name = "ID", value_delimiter = ',')]
    pub(super) languages: Option<Vec<String>>,
    /// Variable of every program, such as TZ=Europe/Berlin; one of a call wins; may be repeated
    #[arg(long, global = true, env = "BELLJAR_ENVIRONMENT", value_name = "NAME=VALUE", value_delimiter = ',')]
    #[serde(deserialize_with = "from_table")]
    pub(super) environment: Vec<VariableSetting>,
    /// What programs may call while they run, such as progress,display [default: all]; an empty word is none
    #[arg(long, global = true, env = "BELLJAR_CALLS", value_name = "NAME", value_delimiter = ',')]
    pub(super) calls: Option<Vec<String>>,
    /// Folder of this machine that programs of every language see: SOURCE:DESTINATION, read-only unless :rw follows; may be repeated
    #[arg(
        long = "mount",
        global = true,
        env = "BELLJAR_MOUNTS",
        value_name = "SOURCE:DESTINATION[:ro|rw]",
        value_delimiter = ','
    )]
    pub(super) mounts: Vec<MountSetting>,
    /// Limit of a run that asks for none, such as wall_time_ms=5000; may be repeated
    #[arg(long = "limit", global = true, env = "BELLJAR_LIMITS", value_name = "NAME=VALUE", value_delimiter = ',')]
    #[serde(deserialize_with = "from_table")]
    pub(super) limits: Vec<LimitSetting>,
    /// The highest limit that a run may ask for; may be repeated
    #[arg(long = "ceiling", global = true, env = "BELLJAR_CEILINGS", value_name = "NAME=VALUE", value_delimiter = ',')]
    #[serde(deserialize_with = "from_table")]
    pub(super) ceilings: Vec<LimitSetting>,
    /// Runs at once [default: 4 per processor]
    #[arg(long, global = true, env = "BELLJAR_RUNS", value_name = "N")]
    pub(super) runs: Option<usize>,
    /// Runs that may wait [default: 64]
    #[arg(long, global = true, env = "BELLJAR_QUEUE", value_name = "N")]
    pub(super) queue: Option<usize>,
    /// Worker processes [default: 1 per processor]
    #[arg(long, global = true, env = "BELLJAR_WORKERS", value_name = "N")]
    pub(super) workers: Option<usize>,
    /// Memory of all runs and sessions together, in bytes [default: half of this machine's]
    #[arg(long, global = true, env = "BELLJAR_MEMORY_BYTES", value_name = "BYTES")]
    pub(super) memory_bytes: Option<u64>,
    /// Sessions in memory at once; the others hibernate [default: 64]
    #[arg(long, global = true, env = "BELLJAR_SESSIONS", value_name = "N")]
    pub(super) sessions: Option<usize>,
    /// Seconds without use after which a session hibernates [default: 300]
    #[arg(long, global = true, env = "BELLJAR_HIBERNATE_SECONDS", value_name = "N")]
    pub(super) hibernate_seconds: Option<u64>,
    /// Seconds without use after which a session ends [default: 2592000, which is 30 days]
    #[arg(long, global = true, env = "BELLJAR_SESSION_LIFETIME_SECONDS", value_name = "N")]
    pub(super) session_lifetime_seconds: Option<u64>,
    /// Where sessions lie at rest: directory (in the state directory), memory (they end with the server), or s3://BUCKET/PREFIX, which several servers may share [default: directory]
    #[arg(long, global = true, env = "BELLJAR_STORE", value_name = "PLACE")]
    pub(super) store: Option<StoreSetting>,
    /// Who has the bucket, such as https://minio.example:9000 [default: AWS_ENDPOINT_URL, or Amazon]
    #[arg(long, global = true, env = "BELLJAR_STORE_ENDPOINT", value_name = "URL")]
    pub(super) store_endpoint: Option<EndpointSetting>,
    /// Region of the bucket [default: AWS_REGION, or us-east-1]
    #[arg(long, global = true, env = "BELLJAR_STORE_REGION", value_name = "NAME")]
    pub(super) store_region: Option<String>,
    /// File with credentials for it in the form of ~/.aws/credentials, closed to others; read again when it changes [default: the AWS_ variables, a web identity token, or the instance's]
    #[arg(long, global = true, env = "BELLJAR_STORE_CREDENTIALS", value_name = "FILE")]
    pub(super) store_credentials: Option<PathBuf>,
    /// Host that has the bucket and to which everything may go in clear; this machine may without; may be repeated
    #[arg(long, global = true, env = "BELLJAR_STORE_PLAIN_HTTP", value_name = "HOST", value_delimiter = ',')]
    pub(super) store_plain_http: Option<Vec<String>>,
    /// File with the keys that sessions are sealed with, the same for all servers over one store; never written; a bucket needs it [default: one in the state directory]
    #[arg(long, global = true, env = "BELLJAR_STORE_KEYS", value_name = "FILE")]
    pub(super) store_keys: Option<PathBuf>,
    /// Redis in front of a bucket that servers share, such as redis://127.0.0.1; with a password by the variable, as everybody sees flags [default: none]
    #[arg(long, global = true, env = "BELLJAR_REDIS", value_name = "URL", hide_env_values = true)]
    pub(super) redis: Option<RedisSetting>,
    /// What a session in a directory outlasts: its server (process), or a power failure too (disk) [default: process]
    #[arg(long, global = true, env = "BELLJAR_DURABILITY", value_name = "LEVEL")]
    pub(super) durability: Option<Level>,
    /// Bytes that all stored sessions may take together [default: 5 GiB; 512 MiB in memory, 1 TiB on S3]
    #[arg(long, global = true, env = "BELLJAR_STORE_BYTES", value_name = "BYTES")]
    pub(super) store_bytes: Option<u64>,
    /// Bytes that the stored sessions of one user may take [default: store-bytes]
    #[arg(long, global = true, env = "BELLJAR_PRINCIPAL_STORE_BYTES", value_name = "BYTES")]
    pub(super) principal_store_bytes: Option<u64>,
    /// Snapshots of one session [default: 64]
    #[arg(long, global = true, env = "BELLJAR_SNAPSHOTS", value_name = "N")]
    pub(super) snapshots: Option<usize>,
    /// The weakest confinement that native languages (bash, python-native) may run in
    #[arg(long, global = true, env = "BELLJAR_NATIVE_TIER", value_name = "TIER")]
    pub(super) native_tier: Option<WeakestTier>,
    /// Program of a native language, such as python-native=/opt/venv/bin/python3; may be repeated [default: on the path]
    #[arg(
        long = "native-program",
        global = true,
        env = "BELLJAR_NATIVE_PROGRAMS",
        value_name = "LANGUAGE=PATH",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "from_table")]
    pub(super) native_programs: Vec<ProgramSetting>,
    /// Make clocks and random numbers the same in every run, and times of files zero. For tests: programs must not make secrets then
    #[arg(
        long,
        global = true,
        env = "BELLJAR_DETERMINISTIC",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) deterministic: Option<bool>,
    /// Give results and tools a structured form beside the text, for programs. Clients of agents show their models that in place of text and images
    #[arg(
        long,
        global = true,
        env = "BELLJAR_STRUCTURED_CONTENT",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) structured_content: Option<bool>,
    /// Threads of the server itself, beside those that wait for disks [default: 1]
    #[arg(long, global = true, env = "BELLJAR_THREADS", value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Address that `serve` listens on [default: 127.0.0.1:7411]; :0 chooses a free port. One that others can reach needs keys, and --tls-certificate or --behind-proxy
    #[arg(long, global = true, env = "BELLJAR_LISTEN", value_name = "ADDRESS")]
    pub(super) listen: Option<Address>,
    /// How `serve` finds out who calls: token (one user), keys (of `belljar keys`), oauth (access tokens), or several [default: oauth where an issuer is named, else token]
    #[arg(long, global = true, env = "BELLJAR_AUTHENTICATION", value_name = "METHOD", value_delimiter = ',')]
    pub(super) authentication: Option<Vec<Method>>,
    /// File of mode 0600 with the token that `serve` asks for [default: a new token at each start]
    #[arg(long, global = true, env = "BELLJAR_TOKEN_FILE", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// File with the keys of clients, for its owner and group alone, which `belljar keys` does not change: a secret that is mounted [default: client-keys.json in the state directory]
    #[arg(long, global = true, env = "BELLJAR_CLIENT_KEYS", value_name = "FILE")]
    pub(super) client_keys: Option<PathBuf>,
    #[command(flatten)]
    pub(super) oauth: WrittenOauth,
    #[command(flatten)]
    pub(super) traces: WrittenTraces,
    // Of a table of tables no flag could be made.
    #[arg(skip)]
    pub(super) tenants: BTreeMap<String, TenantSettings>,
    /// Where clients find `serve`, such as https://belljar.example/mcp [default: where it listens]
    #[arg(long, global = true, env = "BELLJAR_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    /// Origin of pages that may send requests to `serve`, such as https://app.example; may be repeated [default: its own alone]
    #[arg(
        long = "allowed-origin",
        global = true,
        env = "BELLJAR_ALLOWED_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(super) allowed_origins: Option<Vec<Origin>>,
    /// File with the certificate of `serve` in PEM, and those that lead to an authority; read again when it changes [default: no TLS]
    #[arg(long, global = true, env = "BELLJAR_TLS_CERTIFICATE", value_name = "FILE")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// File with its private key in PEM, which others than owner and group cannot read
    #[arg(long, global = true, env = "BELLJAR_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Say that what reaches `serve` comes through a proxy that has TLS, so that keys do not travel in clear
    #[arg(
        long,
        global = true,
        env = "BELLJAR_BEHIND_PROXY",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) behind_proxy: Option<bool>,
    /// Proxy that the log of `serve` believes when it says for whom it asks, such as 10.0.0.0/8; may be several
    #[arg(
        long = "trusted-proxies",
        global = true,
        env = "BELLJAR_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub(super) trusted_proxies: Option<Vec<Network>>,
    /// Address at which `serve` answers collectors of metrics, without a token, such as 127.0.0.1:9411 or 0.0.0.0:9411 [default: none]
    #[arg(long, global = true, env = "BELLJAR_METRICS_LISTEN", value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<Address>,
    /// Tenants that have labels of their own in metrics; the others have one together [default: 0, which tells none apart]
    #[arg(long, global = true, env = "BELLJAR_METRICS_TENANTS", value_name = "N")]
    pub(super) metrics_tenants: Option<usize>,
    /// Speak MCP over WebSockets too, at /ws of `serve`, under the same checks
    #[arg(
        long,
        global = true,
        env = "BELLJAR_WEBSOCKET",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) websocket: Option<bool>,
    /// Seconds that runs get to finish after SIGTERM or SIGINT [default: 30]
    #[arg(long, global = true, env = "BELLJAR_DRAIN_SECONDS", value_name = "N")]
    pub(super) drain_seconds: Option<u64>,
}
