//! Key files around failed requests, and what is taken for a CSR.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use certmill_wire::{Problem, ProblemCode};
use serde_json::json;

use super::*;

fn refused(code: ProblemCode) -> client::Error {
    client::Error::Problem(Box::new(Problem::new(code, "why")))
}

#[test]
fn a_key_stays_only_where_the_outcome_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let after = |error: &client::Error| {
        let path = dir.path().join("a.key");
        let _ = fs::remove_file(&path);
        key_file::generate(&path, KeyAlgorithm::EcdsaP256).unwrap();
        let failure = after_failure("a.example", error, &Key::New(path.clone()));
        (path.exists(), failure.to_string())
    };
    assert!(!after(&refused(ProblemCode::AlreadyExists)).0);
    assert!(!after(&refused(ProblemCode::InvalidRequest)).0);
    assert!(after(&refused(ProblemCode::IdempotencyInProgress)).0);
    assert!(after(&refused(ProblemCode::NotReady)).0);
    let silent = client::Error::Timeout {
        url: "https://h".into(),
        after: Duration::from_secs(1),
    };
    let (stays, text) = after(&silent);
    assert!(stays && text.contains("--reuse-key"), "{text}");
}

#[test]
fn a_kept_key_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.key");
    fs::write(&path, "mine").unwrap();
    after_failure(
        "a",
        &refused(ProblemCode::Conflict),
        &Key::Kept(path.clone()),
    );
    assert!(path.exists());
}

#[test]
fn a_csr_is_read_and_a_private_key_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let pem = make_csr(&key, &Names::parse(["a.example"]).unwrap()).unwrap();
    let file = dir.path().join("a.csr");
    fs::write(&file, &pem).unwrap();
    assert_eq!(read_csr(&file).unwrap(), pem);
    fs::write(
        &file,
        "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let failure = read_csr(&file).unwrap_err();
    assert!(
        failure.code() == 2 && !failure.to_string().contains("QUJD"),
        "{failure}"
    );
    fs::write(&file, vec![b'x'; 70_000]).unwrap();
    assert!(read_csr(&file).unwrap_err().to_string().contains("64 KiB"));
    assert!(
        failure.to_string().contains("nothing was sent"),
        "{failure}"
    );
    assert_eq!(read_csr(&dir.path().join("none")).unwrap_err().code(), 3);
}

#[test]
fn the_key_fits_the_profile() {
    let profile = |keys: &[&str]| -> ProfileView {
        serde_json::from_value(json!({
            "id": "prof_0", "name": "p", "issuer": "local", "lifetime_s": 60,
            "key_algorithms": keys, "key_source": "csr", "renew": { "fraction": 0.66 },
            "allowed_names": [], "created_at": "2026-03-01T12:00:00Z",
        }))
        .unwrap()
    };
    assert_eq!(
        algorithm(&profile(&["ed25519", "ecdsa-p256"])),
        KeyAlgorithm::EcdsaP256
    );
    assert_eq!(
        algorithm(&profile(&["ed25519", "rsa3072"])),
        KeyAlgorithm::Ed25519
    );
    assert_eq!(
        algorithm(&profile(&["of-tomorrow"])),
        KeyAlgorithm::EcdsaP256
    );
}
