//! The plain listener as others see it: OpenSSL's client for OCSP, curl-like fetches for lists.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use certmill_api::{PlainOptions, serve_plain};
use certmill_crypto::chain::certificate_pem;
use certmill_domain::ids::CertificateId;
use certmill_domain::revocation::RevocationReason;
use certmill_service::certificates::{self, RevokeAsk, Which};
use certmill_service::{Caller, status};
use certmill_tasks::{Shutdown, Tasks};

use crate::lint::{openssl_says as openssl, pkilint};
use crate::rig::*;

/// An api's plain listener and a worker that signs, on one database.
struct Site {
    rig: Rig,
    worker: Option<Worker>,
    address: SocketAddr,
    folder: tempfile::TempDir,
    shutdown: Shutdown,
    _tasks: Tasks,
}

impl Site {
    async fn start() -> Self {
        let rig = rig().await;
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let options = PlainOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            context: rig.context.clone(),
            grace: Duration::from_secs(1),
        };
        let address = serve_plain(options, &tasks).await.unwrap();
        let url = format!("http://{address}");
        assert_eq!(status::publish_url(&rig.context, &url).await.unwrap(), 1);
        assert_eq!(status::publish_url(&rig.context, &url).await.unwrap(), 0);
        Self {
            worker: Some(rig.worker("signer", true).await),
            rig,
            address,
            folder: tempfile::tempdir().unwrap(),
            shutdown,
            _tasks: tasks,
        }
    }

    async fn end(mut self) {
        self.shutdown.request();
        if let Some(worker) = self.worker.take() {
            worker.stop().await;
        }
    }

    async fn issue(&self, name: &str) -> CertificateId {
        let id = self.rig.request(name).await;
        self.rig.until_issued(id, 1).await;
        id
    }

    async fn revoke(&self, id: CertificateId, reason: RevocationReason) {
        let ask = RevokeAsk {
            which: Which::Current,
            reason,
            note: None,
        };
        certificates::revoke(&self.rig.context, &Caller::system("test"), id, &ask, None)
            .await
            .unwrap();
        until(|| async { self.rig.count("version WHERE revoked_at IS NOT NULL").await > 0 }).await;
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn chain(&self, name: &str, id: CertificateId) -> String {
        self.file(name, self.rig.chain(id).await)
    }

    /// Files of the issuing authority and of the root.
    async fn authorities(&self) -> (String, String) {
        let ders: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT certificate_der FROM ca_key ORDER BY name")
                .fetch_all(self.rig.db.app())
                .await
                .unwrap();
        (
            self.file("issuing.pem", certificate_pem(&ders[0])),
            self.file("root.pem", certificate_pem(&ders[1])),
        )
    }

    /// Sends bytes as they are; the head in lower case, and the body.
    fn send(&self, request: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&answer)));
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    fn fetch(&self, method: &str, path: &str, more: &str) -> (String, Vec<u8>) {
        let text =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
        self.send(text.as_bytes())
    }

    fn post(&self, path: &str, media_type: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(&request)
    }
}

/// OpenSSL's client; answers what it says of the one certificate.
async fn ask(site: &Site, issuer: &str, root: &str, which: &[&str]) -> String {
    let url = format!("http://{}/ocsp", site.address);
    let mut args = vec![
        "ocsp",
        "-issuer",
        issuer,
        "-url",
        &url,
        "-CAfile",
        root,
        "-verify_other",
        issuer,
    ];
    args.extend_from_slice(which);
    // The key of the responder may not be certified yet.
    let mut said = String::new();
    until(|| {
        let (_, text) = openssl(&args);
        let later = text.contains("trylater");
        said = text;
        async move { !later }
    })
    .await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openssl_hears_good_revoked_and_unknown_by_post_and_get() {
    let site = Site::start().await;
    let (kept, lost) = (
        site.issue("kept.example.com").await,
        site.issue("lost.example.com").await,
    );
    site.revoke(lost, RevocationReason::KeyCompromise).await;
    let (issuing, root) = site.authorities().await;
    let (kept, lost) = (
        site.chain("kept.pem", kept).await,
        site.chain("lost.pem", lost).await,
    );

    for hash in [&["-sha1"][..], &["-sha256"][..]] {
        let which = [hash, &["-cert", &kept]].concat();
        let said = ask(&site, &issuing, &root, &which).await;
        assert!(said.contains("Response verify OK"), "{said}");
        assert!(said.contains("kept.pem: good"), "{said}");
        assert!(!said.contains("WARNING"), "the nonce comes back: {said}");
    }
    let said = ask(&site, &issuing, &root, &["-cert", &lost]).await;
    assert!(said.contains("lost.pem: revoked"), "{said}");
    assert!(said.contains("Reason: keyCompromise"), "{said}");
    let said = ask(&site, &issuing, &root, &["-serial", "0x1234567890"]).await;
    assert!(said.contains(": unknown"), "{said}");
    let said = ask(&site, &root, &root, &["-cert", &issuing]).await;
    assert!(said.contains("issuing.pem: good"), "{said}");
    let said = ask(&site, &kept, &root, &["-serial", "0x01"]).await;
    assert!(
        said.contains("unauthorized"),
        "not an authority of ours: {said}"
    );

    let request = site.file("request.der", "");
    openssl(&[
        "ocsp",
        "-issuer",
        &issuing,
        "-cert",
        &lost,
        "-no_nonce",
        "-reqout",
        &request,
    ]);
    let der = std::fs::read(&request).unwrap();
    let encoded = data_encoding::BASE64
        .encode(&der)
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let (head, body) = site.fetch("GET", &format!("/ocsp/{encoded}"), "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: application/ocsp-response"),
        "{head}"
    );
    assert!(head.contains("cache-control: max-age=60, public"), "{head}");
    let response = site.file("response.der", &body);
    let (ok, said) = openssl(&[
        "ocsp",
        "-issuer",
        &issuing,
        "-cert",
        &lost,
        "-respin",
        &response,
        "-CAfile",
        &root,
        "-verify_other",
        &issuing,
        "-resp_text",
    ]);
    assert!(ok && said.contains("lost.pem: revoked"), "{said}");
    assert!(said.contains("ecdsa-with-SHA256"), "{said}");
    assert!(said.contains("OCSP No Check"), "{said}");
    assert!(said.contains("OCSP Signing"), "{said}");
    let (head, empty) = site.fetch("HEAD", &format!("/ocsp/{encoded}"), "");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert_eq!(empty, b"");
    pkilint("lint_ocsp_response", &[], response.as_ref());
    let responder: Vec<u8> = sqlx::query_scalar(
        "SELECT certificate_der FROM ocsp_responder WHERE ca_key_id = (SELECT ca_key_id FROM issuer)",
    )
    .fetch_one(site.rig.db.app())
    .await
    .unwrap();
    let responder = site.file("responder.pem", certificate_pem(&responder));
    pkilint("lint_pkix_cert", &[], responder.as_ref());
    let (ok, said) = openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "ocsphelper",
        "-CAfile",
        &root,
        "-untrusted",
        &issuing,
        &responder,
    ]);
    assert!(ok, "{said}");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_request_gets_a_status_of_the_protocol() {
    let site = Site::start().await;
    until(|| async {
        site.rig
            .count("ocsp_responder WHERE certificate_der IS NOT NULL")
            .await
            == 2
    })
    .await;
    let malformed: &[u8] = &[0x30, 0x03, 0x0a, 0x01, 0x01];
    let refused = |(head, body): (String, Vec<u8>)| {
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(body, malformed, "{head}");
    };
    let kind = "application/ocsp-request";
    refused(site.post("/ocsp", kind, b""));
    refused(site.post("/ocsp", kind, b"no DER at all"));
    refused(site.post("/ocsp", kind, &[0x30; 5000]));
    refused(site.fetch("GET", "/ocsp/%%%", ""));
    refused(site.fetch("GET", "/ocsp/AAAA", ""));
    // An empty nonce, and one of 129 octets (RFC 9654, section 2.1).
    let issuing = site.authorities().await.0;
    for length in [0_usize, 129] {
        let request = with_nonce(&site, &issuing, length);
        refused(site.post("/ocsp", kind, &request));
    }
    let longest = with_nonce(&site, &issuing, 128);
    until(|| {
        let (_, body) = site.post("/ocsp", kind, &longest);
        async move { body.len() > 200 }
    })
    .await;

    let (head, body) = site.post("/ocsp", "application/json", b"{}");
    assert!(
        head.starts_with("http/1.1 415") && body.is_empty(),
        "{head}"
    );
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/api/v1/version"),
        ("GET", "/ocsp"),
        ("DELETE", "/ocsp"),
        ("OPTIONS", "/ocsp"),
        ("GET", "/crl/00000000000000000000000000000000.crl"),
        ("GET", "/crl/..%2f..%2fetc%2fpasswd"),
    ] {
        let (head, body) = site.fetch(method, path, "");
        assert!(head.starts_with("http/1.1 404"), "{method} {path}: {head}");
        assert!(body.is_empty(), "{method} {path}");
        assert!(!head.contains("server:"), "{head}");
    }
    site.end().await;
}

/// A request for serial number 5 with a nonce of that many octets, put together by hand.
fn with_nonce(site: &Site, issuing: &str, length: usize) -> Vec<u8> {
    let request = site.file("bare.der", "");
    openssl(&[
        "ocsp",
        "-issuer",
        issuing,
        "-serial",
        "5",
        "-no_nonce",
        "-reqout",
        &request,
    ]);
    let bare = std::fs::read(&request).unwrap();
    // SEQUENCE { SEQUENCE { list } }: both lengths are short forms.
    let list = &bare[4..];
    let wrap = |tag: u8, inner: &[u8]| {
        let mut out = vec![tag];
        match u8::try_from(inner.len()) {
            Ok(short @ 0..=127) => out.push(short),
            Ok(long) => out.extend([0x81, long]),
            Err(_) => {
                out.push(0x82);
                out.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
            }
        }
        out.extend_from_slice(inner);
        out
    };
    let oid = [0x06, 0x09, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
    let value = wrap(0x04, &wrap(0x04, &vec![7; length]));
    let extension = wrap(0x30, &[&oid[..], &value].concat());
    let extensions = wrap(0xa2, &wrap(0x30, &extension));
    wrap(0x30, &wrap(0x30, &[list, &extensions].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn certificates_name_the_list_and_it_is_there_with_its_headers() {
    let site = Site::start().await;
    let id = site.issue("shop.example.com").await;
    let leaf = site.chain("leaf.pem", id).await;
    let (issuing, root) = site.authorities().await;
    let (_, text) = openssl(&["x509", "-in", &leaf, "-noout", "-text"]);
    let base = format!("http://{}", site.address);
    assert!(text.contains(&format!("OCSP - URI:{base}/ocsp")), "{text}");
    let path = text
        .split(&format!("URI:{base}/crl/"))
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"))
        .split_whitespace()
        .next()
        .unwrap();
    let path = format!("/crl/{path}");
    site.revoke(id, RevocationReason::Superseded).await;
    let mut fetched = (String::new(), Vec::new());
    until(|| {
        fetched = site.fetch("GET", &path, "");
        let there = fetched.0.starts_with("http/1.1 200");
        async move { there }
    })
    .await;
    let (head, body) = fetched;
    assert!(
        head.contains("content-type: application/pkix-crl"),
        "{head}"
    );
    assert!(
        head.contains("cache-control: max-age=300, public"),
        "{head}"
    );
    assert!(head.contains("last-modified: "), "{head}");
    let list = site.file("list.crl", &body);
    let (ok, said) = openssl(&[
        "crl", "-in", &list, "-inform", "DER", "-CAfile", &issuing, "-noout",
    ]);
    assert!(ok && said.contains("verify OK"), "{said}");
    let tag = head.split("etag: ").nth(1).unwrap().split("\r\n").next();
    let more = format!("If-None-Match: {}\r\n", tag.unwrap());
    let (head, body) = site.fetch("GET", &path, &more);
    assert!(
        head.starts_with("http/1.1 304") && body.is_empty(),
        "{head}"
    );
    let (head, body) = site.fetch("HEAD", &path, "");
    assert!(
        head.starts_with("http/1.1 200") && body.is_empty(),
        "{head}"
    );
    // Linters read one certificate, OpenSSL the first one of a bundle.
    let alone = site.file("alone.pem", "");
    openssl(&["x509", "-in", &leaf, "-out", &alone]);
    pkilint("lint_pkix_cert", &[], alone.as_ref());
    pkilint("lint_pkix_cert", &[], issuing.as_ref());
    pkilint("lint_pkix_cert", &[], root.as_ref());
    site.end().await;
}
