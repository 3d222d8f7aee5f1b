//! `session`: lists, snapshots, forks, rewinds and ends sessions.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use rmcp::model::{CallToolResult, JsonObject, Tool};
use sandbox::{Error, Executor, Principal, SessionId, SessionSummary, SnapshotId, SnapshotSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arguments::decode;
use super::reply::{self, Form, SessionReply, time};
use super::{Call, Hints, Result, any_object, any_objects, schema, tool};
use crate::audit::Change;

pub(crate) const NAME: &str = "session";

/// How many sessions one list names: the last used.
const MAX_LISTED: usize = 100;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    List,
    Snapshot,
    Fork,
    Restore,
    Close,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    action: Action,
    /// Handle; list shows its snapshots, without it all sessions
    session: Option<String>,
    /// To restore; or to fork or close in place of the session
    snapshot: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Reply {
    /// The fork, or the one named
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    session: Option<SessionReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_objects")]
    sessions: Option<Vec<Listed>>,
    /// id, sequence, size_bytes, age_seconds, expires_at
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    snapshot: Option<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_objects")]
    snapshots: Option<Vec<Snapshot>>,
}

#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    sequence: u64,
    live: bool,
    size_bytes: u64,
    age_seconds: u64,
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    id: String,
    sequence: u64,
    size_bytes: u64,
    age_seconds: u64,
    expires_at: String,
}

impl From<SessionSummary> for Listed {
    fn from(summary: SessionSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            sequence: summary.sequence,
            live: summary.is_live,
            size_bytes: summary.size_bytes,
            age_seconds: age(summary.last_used),
            expires_at: time(summary.expires_at),
        }
    }
}

impl Snapshot {
    fn new(summary: &SnapshotSummary, session: &SessionReply) -> Self {
        Self {
            id: summary.id.to_string(),
            sequence: summary.sequence,
            size_bytes: summary.size_bytes,
            age_seconds: age(summary.created),
            expires_at: session.expires_at.clone(),
        }
    }
}

fn age(since: SystemTime) -> u64 {
    SystemTime::now().duration_since(since).unwrap_or_default().as_secs()
}

pub(crate) fn definition(form: Form) -> Tool {
    let description =
        "List sessions, remember a state (snapshot), go back to it (restore), copy a session (fork), end it (close)."
            .to_owned();
    tool::<Arguments, Reply>(
        NAME,
        "Sessions",
        description,
        Hints { read_only: false, destructive: true, idempotent: false },
        form,
    )
}

pub(super) static SCHEMA: LazyLock<Arc<JsonObject>> = LazyLock::new(schema::<Arguments>);

/// Does what `action` says.
pub(crate) async fn call(call: &Call<'_>, arguments: JsonObject) -> Result<CallToolResult> {
    let (text, reply) = act(call, arguments).await?;
    reply::success(text, &reply, call.form())
}

async fn act(call: &Call<'_>, arguments: JsonObject) -> Result<(String, Reply)> {
    let (executor, principal, cancel) = (call.executor(), call.principal, &call.context.ct);
    let Arguments { action, session, snapshot } = decode(&SCHEMA, arguments)?;
    let snapshot = snapshot.as_deref().map(SnapshotId::parse).transpose()?;
    let Some(session) = session else {
        return match action {
            Action::List => list(executor, principal).await,
            _ => Err(Error::invalid("session", "must be the handle of a session")),
        };
    };
    let id = SessionId::parse(&session)?;
    if matches!((action, &snapshot), (Action::List | Action::Snapshot, Some(_))) {
        return Err(Error::invalid("snapshot", "goes with fork, restore and close only"));
    }
    let changed = |action, session: &SessionId, sequence, from, snapshot| {
        call.changed(&Change { action, session, sequence, from, snapshot, file: None });
    };
    if !matches!(action, Action::List) {
        call.keep_unchanged()?;
    }
    match action {
        Action::List => {
            let (report, snapshots) = executor.list_snapshots(principal, &id, cancel).await?;
            let session = SessionReply::from(report);
            let snapshots: Vec<_> = snapshots.iter().map(|summary| Snapshot::new(summary, &session)).collect();
            let mut text = format!("session {id} at sequence {}, {} snapshots", session.sequence, snapshots.len());
            for Snapshot { id, sequence, size_bytes, age_seconds, .. } in &snapshots {
                text.push_str(&format!("\n{id}: sequence {sequence}, {size_bytes} bytes, {age_seconds} s old"));
            }
            Ok((text, Reply { session: Some(session), snapshots: Some(snapshots), ..Reply::default() }))
        }
        Action::Snapshot => {
            let (report, summary) = executor.snapshot(principal, &id, cancel).await?;
            changed("snapshot", &id, Some(report.sequence), None, Some(&summary.id));
            let session = SessionReply::from(report);
            let text = format!(
                "snapshot {} holds the state of sequence {}\nsession: {}",
                summary.id, summary.sequence, session.line
            );
            let snapshot = Snapshot::new(&summary, &session);
            Ok((text, Reply { session: Some(session), snapshot: Some(snapshot), ..Reply::default() }))
        }
        Action::Fork => {
            let report = executor.fork(principal, &id, snapshot.as_ref(), cancel).await?;
            changed("fork", &report.id, Some(report.sequence), Some(&id), snapshot.as_ref());
            let session = SessionReply::from(report);
            let from = snapshot.map_or_else(|| format!("session {id}"), |snapshot| format!("snapshot {snapshot}"));
            let text = format!("a copy of {from}\nsession: {}", session.line);
            Ok((text, Reply { session: Some(session), ..Reply::default() }))
        }
        Action::Restore => {
            let Some(snapshot) = snapshot else {
                return Err(Error::invalid("snapshot", "must be the handle of a snapshot to go back to"));
            };
            let report = executor.restore(principal, &id, &snapshot, cancel).await?;
            changed("restore", &id, Some(report.sequence), None, Some(&snapshot));
            let session = SessionReply::from(report);
            let text = format!("the session is as in snapshot {snapshot}\nsession: {}", session.line);
            Ok((text, Reply { session: Some(session), ..Reply::default() }))
        }
        Action::Close => {
            let report = executor.close(principal, &id, snapshot.as_ref(), cancel).await?;
            changed("close", &id, None, None, snapshot.as_ref());
            let session = SessionReply::from(report);
            let text = match snapshot {
                None => format!("closed session {id}"),
                Some(snapshot) => format!("closed snapshot {snapshot}\nsession: {}", session.line),
            };
            Ok((text, Reply { session: Some(session), ..Reply::default() }))
        }
    }
}

async fn list(executor: &Executor, principal: &Principal) -> Result<(String, Reply)> {
    let sessions = executor.list_sessions(principal).await?;
    let count = sessions.len();
    let listed: Vec<_> = sessions.into_iter().take(MAX_LISTED).map(Listed::from).collect();
    let shown = if count > MAX_LISTED { format!(", the {MAX_LISTED} last used") } else { String::new() };
    let mut text = format!("{count} sessions{shown}");
    for Listed { id, sequence, size_bytes, age_seconds, .. } in &listed {
        text.push_str(&format!("\n{id}: sequence {sequence}, {size_bytes} bytes, used {age_seconds} s ago"));
    }
    Ok((text, Reply { sessions: Some(listed), ..Reply::default() }))
}
