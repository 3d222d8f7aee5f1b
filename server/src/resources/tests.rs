//! What one principal gets of another's.

use std::sync::Arc;

use clap::Args as _;
use rmcp::model::{ErrorData, ListResourcesResult, PaginatedRequestParams, ReadResourceResult};
use sandbox::{InputFile, Principal, RequestedLimits, SessionId, WorkspacePath};
use tokio_util::sync::CancellationToken;

use super::{Refusal, list, read};
use crate::config::{Config, Settings};
use crate::service::Service;

/// A service that starts no process.
pub(crate) fn service(directory: &std::path::Path) -> Arc<Service> {
    let at = |name: &str| format!("--{name}={}", directory.join(name).display());
    let arguments = ["test".to_owned(), "--store=memory".to_owned(), at("state-directory"), at("cache-directory")];
    let matches = Settings::augment_args(clap::Command::new("belljar")).get_matches_from(arguments);
    Arc::new(Service::new(Config::load(&matches).unwrap(), None).unwrap())
}

/// A session of `principal` with files of those names.
pub(crate) async fn session(service: &Service, principal: &Principal, names: &[&str]) -> SessionId {
    let mut session = None;
    for name in names {
        let path = WorkspacePath::new("path", name).unwrap();
        let file = InputFile { path, bytes: name.as_bytes().to_vec() };
        session = Some(
            service.executor.write(principal, session.as_ref(), file, &CancellationToken::new()).await.unwrap().id,
        );
    }
    session.unwrap()
}

#[tokio::test]
async fn what_is_of_another_is_as_what_never_was() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path());
    let (one, other) = (Principal::new("one").unwrap(), Principal::new("other").unwrap());
    let theirs = session(&service, &other, &["secret"]).await;
    let never = SessionId::random();
    let read = async |principal: &Principal, id: &SessionId| -> Result<ReadResourceResult, ErrorData> {
        let uri = format!("belljar://session/{id}/secret");
        read(&service, principal, &RequestedLimits::default(), &uri)
            .await
            .map_err(|refusal: Refusal| refusal.error(Some(&uri)))
    };
    read(&other, &theirs).await.unwrap();
    let told = async |id: &SessionId| {
        let error = read(&one, id).await.unwrap_err();
        serde_json::to_string(&error).unwrap().replace(id.as_str(), "")
    };
    assert_eq!(told(&theirs).await, told(&never).await);
    let listed =
        async |principal: &Principal| -> ListResourcesResult { list(&service, principal, None).await.unwrap() };
    let has = |result: &ListResourcesResult| result.resources.iter().any(|one| one.uri.contains(theirs.as_str()));
    assert!(has(&listed(&other).await) && !has(&listed(&one).await));
}

#[tokio::test]
async fn a_cursor_of_another_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path());
    let (one, other) = (Principal::new("one").unwrap(), Principal::new("other").unwrap());
    let names: Vec<_> = (0..250).map(|number| format!("{number:03}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for principal in [&one, &other] {
        session(&service, principal, &names).await;
    }
    let cursor = list(&service, &other, None).await.unwrap().next_cursor.unwrap();
    let request = PaginatedRequestParams::default().with_cursor(Some(cursor));
    assert!(!list(&service, &other, Some(&request)).await.unwrap().resources.is_empty());
    let refused = list(&service, &one, Some(&request)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Cursor), "{refused}");
}
