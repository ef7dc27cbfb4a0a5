//! The wire's client against this server: both sides of the contract.

use certmill_service::Role;
use certmill_settings::Secret;
use certmill_wire::client::{Client, ClientConfig};
use certmill_wire::{
    ActionRequest, BulkCertificateRequest, CertificateFilter, CertificateRequest, JobFilter,
    Paging, ProfileRequest, RenewRequest,
};

use crate::fixture::{Api, csr_for};
use crate::issuing::issue;

fn client(api: &Api) -> Client {
    let config = ClientConfig::new(api.url("")).with_ca_pem(api.root.pem());
    Client::new(config.with_api_key(Secret::from(api.key(Role::Admin)))).unwrap()
}

fn ask(name: &str) -> CertificateRequest {
    CertificateRequest {
        name: name.to_owned(),
        csr: Some(csr_for(name)),
        ..CertificateRequest::default()
    }
}

fn because(reason: &str) -> ActionRequest {
    ActionRequest {
        reason: Some(reason.to_owned()),
    }
}

#[tokio::test]
async fn certificates_are_asked_for_shown_and_renewed() {
    let api = Api::start().await;
    let client = client(&api);
    let accepted = client.request_certificate(&ask("a.example")).await.unwrap();
    let id = accepted.certificate.id.as_str();
    assert_eq!(client.certificate(id).await.unwrap().name, "a.example");
    let exists = client
        .request_certificate(&ask("a.example"))
        .await
        .unwrap_err();
    assert_eq!(
        (exists.exit_code(), exists.problem().unwrap().code.as_str()),
        (5, "certificate_exists")
    );
    issue(&api, id, time::Duration::HOUR).await;
    assert_eq!(client.versions(id).await.unwrap().data.len(), 1);
    assert!(
        client
            .chain(id)
            .await
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
    let renewal = client
        .renew_certificate(id, &RenewRequest::default())
        .await
        .unwrap();
    assert_ne!(renewal.job.id, accepted.job.id);
    let bulk = BulkCertificateRequest {
        certificates: vec![ask("b.example"), ask("a.example")],
    };
    let outcome = client.request_certificates(&bulk).await.unwrap();
    assert_eq!((outcome.accepted, outcome.refused), (1, 1));
    let filter = CertificateFilter {
        name: vec!["b.example".to_owned()],
        ..CertificateFilter::default()
    };
    assert_eq!(client.certificates(&filter).await.unwrap().data.len(), 1);
    assert_eq!(client.certificate_key(id).await.unwrap_err().exit_code(), 5);
}

#[tokio::test]
async fn the_rest_is_understood_too() {
    let api = Api::start().await;
    let client = client(&api);
    let job = client
        .request_certificate(&ask("a.example"))
        .await
        .unwrap()
        .job
        .id;
    assert_eq!(
        client.jobs(&JobFilter::default()).await.unwrap().data.len(),
        1
    );
    assert_eq!(
        client
            .cancel_job(&job, &because("a mistake"))
            .await
            .unwrap()
            .state,
        "cancelled"
    );
    assert_eq!(
        client
            .retry_job(&job, &because("none after all"))
            .await
            .unwrap()
            .state,
        "available"
    );
    let said = client.job(&job).await.unwrap().actions;
    let said: Vec<_> = said
        .iter()
        .map(|one| (one.action.as_str(), one.reason.as_deref()))
        .collect();
    assert_eq!(
        said,
        [
            ("job.cancel", Some("a mistake")),
            ("job.retry", Some("none after all"))
        ]
    );
    let long = client.cancel_job(&job, &because(&"x".repeat(1001))).await;
    assert_eq!(
        long.unwrap_err().problem().unwrap().errors[0].pointer,
        "/reason"
    );
    assert!(client.job(&job).await.unwrap().is_final());
    let profile = ProfileRequest {
        name: "short".to_owned(),
        lifetime_s: 60,
        ..ProfileRequest::default()
    };
    client.add_profile(&profile).await.unwrap();
    assert_eq!(
        client
            .profiles(&Paging::default())
            .await
            .unwrap()
            .data
            .len(),
        3
    );
    assert_eq!(
        client.issuers(&Paging::default()).await.unwrap().data[0].kind,
        "local"
    );
    assert!(client.cluster().await.unwrap().leader.is_none());
    assert_eq!(
        client.version().await.unwrap().schema,
        certmill_pg::newest_migration()
    );
    assert_eq!(client.health().await.unwrap().status, "ok");
    assert!(client.ready().await.unwrap().ready);
    assert_eq!(
        client
            .job("job_0000000000999")
            .await
            .unwrap_err()
            .exit_code(),
        9
    );
}
