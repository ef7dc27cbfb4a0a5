//! What is spoken on the port, and whose certificate is shown.

use std::time::{Duration, Instant};

use certmill_service::Role;

use crate::fixture::{Api, SuppliedRoot, Wish, client, fails_to_serve, options, send, until};
use crate::openssl::{handshake, raw};

#[tokio::test]
async fn only_tls_1_3_is_spoken() {
    let api = Api::start().await;
    let to = api.bound.local_addr;
    let (connected, text) = handshake(to, &["-tls1_3"]).await;
    assert!(connected && text.contains("TLSv1.3"), "{text}");
    let (connected, text) = handshake(to, &["-tls1_2"]).await;
    assert!(!connected, "{text}");
    let plain = reqwest::Client::new()
        .get(format!("http://{to}/health"))
        .send()
        .await;
    assert!(plain.is_err(), "{plain:?}");
}

#[tokio::test]
async fn changed_files_are_shown_and_unfit_ones_are_not() {
    let api = Api::start().await;
    let newer = SuppliedRoot::new();
    assert!(
        client(&newer.pem())
            .get(api.url("/health"))
            .send()
            .await
            .is_err()
    );
    std::fs::write(api.dir.path().join("cert.pem"), "no certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(
        send(client(&api.root.pem()).get(api.url("/health")))
            .await
            .status,
        200
    );
    newer.write(api.dir.path());
    let http = async || {
        client(&newer.pem())
            .get(api.url("/health"))
            .send()
            .await
            .is_ok()
    };
    until("the newer certificate", http).await;
}

#[tokio::test]
async fn an_unfit_pair_and_a_used_port_are_refused_with_words() {
    let api = Api::start().await;
    let mut taken = options(&api.context, api.dir.path());
    taken.listen = api.bound.local_addr;
    let words = fails_to_serve(taken).await.to_string();
    assert!(
        words.contains("Address already in use") && words.contains("--listen"),
        "{words}"
    );
    let other = tempfile::tempdir().unwrap();
    SuppliedRoot::new().write(other.path());
    std::fs::copy(
        api.dir.path().join("cert.pem"),
        other.path().join("cert.pem"),
    )
    .unwrap();
    let words = fails_to_serve(options(&api.context, other.path()))
        .await
        .to_string();
    assert!(
        words.contains("the public keys differ") && words.contains("key.pem"),
        "{words}"
    );
    let hashes = words
        .split(|c: char| !c.is_ascii_hexdigit())
        .filter(|word| word.len() == 64);
    assert_eq!(hashes.count(), 2, "{words}");
    let fresh = tempfile::tempdir().unwrap();
    SuppliedRoot::new().write(fresh.path());
    let files = certmill_settings::TlsFiles {
        cert_file: fresh.path().join("cert.pem"),
        key_file: fresh.path().join("key.pem"),
    };
    let now = certmill_telemetry::clock::now_utc();
    let end = certmill_api::check_supplied(&files, now).unwrap();
    let late = certmill_api::check_supplied(&files, end + time::Duration::SECOND).unwrap_err();
    assert!(
        late.contains("ended at notAfter") && late.contains("cert.pem"),
        "{late}"
    );
    std::fs::remove_file(other.path().join("key.pem")).unwrap();
    let words = fails_to_serve(options(&api.context, other.path()))
        .await
        .to_string();
    assert!(words.contains("key.pem"), "{words}");
}

#[tokio::test]
async fn odd_requests_are_answered_with_problems_or_refused() {
    let mut wish = Wish::default();
    wish.limits.request_timeout = Duration::from_secs(3);
    let api = Api::start_with(wish).await;
    let head = format!(
        "POST /api/v1/certificates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n",
        api.key(Role::Admin)
    );
    let short = raw(
        api.bound.local_addr,
        &format!("{head}Content-Length: 10\r\n\r\n{{\"n"),
    )
    .await;
    assert!(
        short.starts_with("HTTP/1.1 408") && short.contains("request_timeout"),
        "{short}"
    );
    let both = format!(
        "{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    let both = raw(api.bound.local_addr, &both).await;
    assert!(both.starts_with("HTTP/1.1 400"), "{both}");
    let headers: String = (0..150).map(|n| format!("X-H{n}: 1\r\n")).collect();
    let many = raw(
        api.bound.local_addr,
        &format!("GET /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n"),
    )
    .await;
    assert!(
        many.starts_with("HTTP/1.1 431") && many.contains("headers_too_large"),
        "{many}"
    );
}

#[tokio::test]
async fn who_never_ends_the_headers_is_cut_off_and_hinders_nobody() {
    let api = Api::start().await;
    let began = Instant::now();
    let slow = (0..8).map(|_| {
        raw(
            api.bound.local_addr,
            "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        )
    });
    let good = async {
        for _ in 0..50 {
            assert_eq!(api.get("/api/v1/version").await.status, 200);
        }
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(slow), good);
    // `raw` itself gives up after 15 s.
    assert!(began.elapsed() < Duration::from_secs(14));
    for answer in answers {
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_shutdown_ends_open_requests_and_frees_the_port() {
    let api = Api::start().await;
    assert_eq!(api.get("/api/v1/version").await.status, 200);
    assert!(
        api.tasks.shutdown(Duration::from_secs(5)).await,
        "drained in time"
    );
    let again = std::net::TcpListener::bind(api.bound.local_addr);
    assert!(again.is_ok(), "{again:?}");
}
