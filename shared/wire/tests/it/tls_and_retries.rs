//! What the client trusts, and what it repeats.

use std::time::Duration;

use certmill_settings::Secret;
use certmill_wire::BulkCertificateRequest;
use certmill_wire::client::{Client, ClientConfig, Error};

use crate::server::{Server, serve};

const BUSY: (&str, &str) = ("503 Service Unavailable", "");
const BULK: (&str, &str) = ("200 OK", r#"{"accepted":0,"refused":0,"items":[]}"#);
const VERSION: (&str, &str) = ("200 OK", r#"{"version":"1","schema":1}"#);
const SOON: Duration = Duration::from_secs(20);

fn client(server: &Server, ca_pem: &str) -> Client {
    let port = server.address.port();
    let config = ClientConfig::new(format!("https://localhost:{port}/api/v1/"))
        .with_ca_pem(ca_pem)
        .with_api_key(Secret::from("a-key".to_owned()));
    Client::new(config).unwrap()
}

fn header(request: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    request
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_post_is_repeated_under_the_same_key() {
    let server = serve("localhost", &[BUSY, BULK, BULK]);
    let client = client(&server, &server.ca_pem);
    let request = BulkCertificateRequest::default();
    client.request_certificates(&request).await.unwrap();
    client.request_certificates(&request).await.unwrap();
    let next = || server.requests.recv_timeout(SOON).unwrap();
    let (first, repeat, other) = (next(), next(), next());
    assert!(
        first.starts_with("post /api/v1/certificates:bulk http/1.1"),
        "{first}"
    );
    assert_eq!(header(&first, "authorization"), "bearer a-key");
    let key = |request: &str| header(request, "idempotency-key");
    assert_eq!(key(&first).len(), 32);
    assert_eq!(key(&first), key(&repeat));
    assert_eq!(
        header(&first, "x-request-id"),
        header(&repeat, "x-request-id")
    );
    assert_ne!(key(&first), key(&other));
}

#[tokio::test]
async fn only_the_named_anchor_and_name_are_trusted() {
    let server = serve("localhost", &[VERSION]);
    assert_eq!(
        client(&server, &server.ca_pem)
            .version()
            .await
            .unwrap()
            .schema,
        1
    );

    let (server, stranger) = (serve("localhost", &[VERSION]), serve("localhost", &[]));
    let error = client(&server, &stranger.ca_pem)
        .version()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Tls { .. }) && error.exit_code() == 10,
        "{error:?}"
    );
    assert!(error.to_string().contains("ca.pem"), "{error}");

    let server = serve("elsewhere.example", &[VERSION]);
    let error = client(&server, &server.ca_pem).version().await.unwrap_err();
    assert!(error.to_string().contains("another name"), "{error}");
    assert!(server.requests.try_recv().is_err());
}

#[test]
fn a_file_without_certificates_is_no_anchor() {
    let config = ClientConfig::new("https://h").with_ca_pem("not PEM");
    assert_eq!(Client::new(config).unwrap_err().exit_code(), 3);
}
