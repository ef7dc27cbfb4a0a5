//! The certificate that the API orders for itself.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use certmill_api::serve;
use certmill_service::{Caller, bootstrap, certificates};
use certmill_store::certificate::Filter;

use certmill_tasks::{Shutdown, Tasks};

use crate::fixture::{Api, Wish, options, send, until};
use crate::issuing::issue;

async fn start() -> Api {
    Api::start_with(Wish {
        own_certificate: true,
        ..Wish::default()
    })
    .await
}

async fn own(api: &Api) -> Option<certificates::Detail> {
    let caller = Caller::system("test");
    certificates::list(&api.context, &caller, &Filter::default(), None, 10)
        .await
        .unwrap()
        .pop()
}

#[tokio::test]
async fn until_it_is_issued_only_life_is_served() {
    let api = start().await;
    let anyone = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    assert_eq!(send(anyone.get(api.url("/health"))).await.status, 200);
    let starting = send(anyone.get(api.url("/api/v1/version"))).await;
    starting.is(503, "starting");
    assert!(!starting.header("retry-after").is_empty());
    send(anyone.get(api.url("/nothing")))
        .await
        .is(503, "starting");
    let ready = send(anyone.get(api.url("/ready"))).await;
    ready.is(503, "not_ready");
    assert_eq!(ready.json()["errors"][0]["pointer"], "/tls");
    assert!(
        api.http.get(api.url("/health")).send().await.is_err(),
        "nobody trusts the throw-away"
    );
}

#[tokio::test]
async fn it_is_ordered_shown_kept_and_renewed() {
    let api = start().await;
    until("the order", async || own(&api).await.is_some()).await;
    let detail = own(&api).await.unwrap();
    let names = detail.certificate.names.to_texts();
    for name in ["127.0.0.1", "localhost", "test-host", "api.example.com"] {
        assert!(
            names.iter().any(|known| known == name),
            "{name} in {names:?}"
        );
    }
    assert_eq!(detail.profile, bootstrap::CONTROL_PROFILE);
    let id = detail.certificate.id.to_string();
    issue(&api, &id, time::Duration::ZERO).await;
    assert!(api.bound.ready(&api.tasks).await);
    assert_eq!(api.get("/api/v1/version").await.status, 200);
    assert_eq!(send(api.http.get(api.url("/ready"))).await.status, 200);
    let folder = api.dir.path().join("api-tls");
    let mode = std::fs::metadata(folder.join("key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let chain = std::fs::read_to_string(folder.join("chain.pem")).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    until("the renewal", async || {
        own(&api).await.is_some_and(|detail| detail.job.is_some())
    })
    .await;
    issue(&api, &id, time::Duration::HOUR).await;
    let stored = async || std::fs::read_to_string(folder.join("chain.pem")).unwrap();
    until("the newer chain", async || stored().await != chain).await;
    assert_eq!(api.get("/api/v1/version").await.status, 200);
}

#[tokio::test]
async fn a_restart_reuses_what_is_in_the_folder() {
    let api = start().await;
    until("the order", async || own(&api).await.is_some()).await;
    let id = own(&api).await.unwrap().certificate.id.to_string();
    issue(&api, &id, time::Duration::HOUR).await;
    assert!(api.bound.ready(&api.tasks).await);
    let key = std::fs::read(api.dir.path().join("api-tls/key.pem")).unwrap();
    assert!(api.tasks.shutdown(Duration::from_secs(5)).await);
    let tasks = Tasks::new(Shutdown::new());
    let mut options = options(&api.context, api.dir.path());
    options.tls = None;
    let bound = serve(options, &tasks).await.unwrap();
    assert!(bound.ready(&tasks).await);
    let url = format!("https://localhost:{}/health", bound.local_addr.port());
    assert_eq!(send(api.http.get(url)).await.status, 200);
    assert_eq!(
        std::fs::read(api.dir.path().join("api-tls/key.pem")).unwrap(),
        key
    );
    let caller = Caller::system("test");
    let all = certificates::list(&api.context, &caller, &Filter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(all.len(), 1);
}
