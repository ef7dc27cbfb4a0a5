//! Revocation from the command line to those who look: CRL and OCSP over the plain listener, read by
//! OpenSSL, before and after a rollover of the authority's key.
//!
//! Invariant: everything here is asked of real processes; the database is not looked into.

use crate::ONE_AT_A_TIME;
use crate::public::{Public, openssl, openssl_ok};

#[tokio::test]
async fn who_looks_learns_what_was_revoked_before_and_after_a_rollover() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let site = Public::open(&[]).await;
    for name in ["kept", "lost", "old"] {
        site.add(name);
    }
    reasons_are_refused_with_words(&site).await;
    revoked_once(&site);
    another_key(&site);
    site.until_listed("lost").await;

    let said = site.asked("lost", "lost", &[]).await;
    assert!(said.contains("lost.pem: revoked"), "{said}");
    assert!(said.contains("Reason: keyCompromise"), "{said}");
    let said = site.got("lost").await;
    assert!(said.contains("lost.pem: revoked"), "{said}");
    for (how, said) in [
        ("POST", site.asked("kept", "kept", &[]).await),
        ("GET", site.got("kept").await),
    ] {
        assert!(said.contains("kept.pem: good"), "{how}: {said}");
    }
    let never = site.asked("kept", "kept", &["-serial", "0x7b2f0a11"]).await;
    assert!(never.contains(": unknown"), "{never}");
    nothing_else_is_served(&site);

    rolled_over(&site).await;
}

/// B38 of the table of bad input: reasons that are none, at the command line and in a body.
async fn reasons_are_refused_with_words(site: &Public) {
    for (reason, words) in [
        (
            "7",
            "7 is no reason: RFC 5280 leaves it unused; give a name such as keyCompromise",
        ),
        (
            "removeFromCRL",
            "removeFromCRL would lift a hold, and there are no holds: a revocation is for good",
        ),
    ] {
        let (code, said) = site.certmill(&[
            "certs",
            "revoke",
            "lost.example.com",
            "--reason",
            reason,
            "--yes",
        ]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        let (status, body) = site.post_revoke("lost.example.com", reason).await;
        assert_eq!(status, 400, "{body}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["errors"][0]["pointer"], "/reason", "{body}");
        assert_eq!(problem["errors"][0]["detail"], words, "{body}");
    }
}

/// Who revokes twice gets the first time as the answer, by the command line and by the API.
fn revoked_once(site: &Public) {
    let revoke = |reason: &str| {
        let said = site.good(&[
            "certs",
            "revoke",
            "lost.example.com",
            "--reason",
            reason,
            "--wait",
            "--yes",
            "-o",
            "json",
        ]);
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
        answer["versions"][0].clone()
    };
    let first = revoke("keyCompromise");
    let second = revoke("superseded");
    assert!(first["revoked_at"].is_string(), "{first}");
    assert_eq!(first["revoked_at"], second["revoked_at"]);
    assert_eq!(second["revocation_reason"], "keyCompromise");
}

/// The reported key is not taken again; another one is.
fn another_key(site: &Public) {
    site.request_file("lost.key", "same.csr", "lost.example.com");
    site.run("ecparam -name prime256v1 -genkey -noout -out new.key");
    site.request_file("new.key", "new.csr", "lost.example.com");
    let renew = ["certs", "renew", "lost.example.com", "--wait"];
    let (code, said) = site.certmill(&renew);
    assert_eq!(code, Some(5), "{said}");
    let (code, said) = site.certmill(&[&renew[..], &["--csr", "same.csr"]].concat());
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("this key was reported as known to others"),
        "{said}"
    );
    site.good(&[&renew[..], &["--csr", "new.csr"]].concat());
}

fn nothing_else_is_served(site: &Public) {
    for path in ["/", "/health", "/ready", "/api/v1/version", "/crl/"] {
        let (head, body) = site.fetch(path);
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
        assert!(body.is_empty(), "{path}");
    }
}

/// A new key signs: both generations are answered for by their own issuer, both lists verify.
async fn rolled_over(site: &Public) {
    let (code, said) = site.cluster.operate(&["ca", "roll"]).await;
    assert_eq!(code, Some(0), "{said}");
    for name in ["after", "afterlost"] {
        site.add(name);
    }
    assert_ne!(
        site.read("kept.issuer.pem"),
        site.read("after.issuer.pem"),
        "another key signs"
    );
    for (name, reason) in [
        ("old", "privilegeWithdrawn"),
        ("afterlost", "cessationOfOperation"),
    ] {
        let host = format!("{name}.example.com");
        site.good(&[
            "certs", "revoke", &host, "--reason", reason, "--wait", "--yes",
        ]);
    }
    let lists = [
        site.until_listed("old").await,
        site.until_listed("afterlost").await,
    ];
    assert_ne!(lists[0], lists[1], "each authority has a list of its own");
    let both: String = lists.iter().map(|list| site.read(list)).collect();
    site.write("both.pem", &both);

    for (name, words) in [
        ("kept", None),
        ("old", Some("certificate revoked")),
        ("after", None),
        ("afterlost", Some("certificate revoked")),
    ] {
        let (ok, said) = openssl(
            &site.folder,
            &format!(
                "verify -x509_strict -crl_check -CRLfile both.pem -CAfile {} -untrusted \
                 {name}.issuer.pem {name}.pem",
                site.roots()
            ),
        );
        assert_eq!(ok, words.is_none(), "{name}: {said}");
        assert!(said.contains(words.unwrap_or(": OK")), "{name}: {said}");
    }
    for (name, wanted) in [
        ("kept", "good"),
        ("old", "revoked"),
        ("after", "good"),
        ("afterlost", "revoked"),
    ] {
        let said = site.asked(name, name, &[]).await;
        assert!(said.contains(&format!("{name}.pem: {wanted}")), "{said}");
        assert!(said.contains("Response verify OK"), "{said}");
    }
    let serial = format!("0x{}", site.serial("kept"));
    let said = site.asked("after", "after", &["-serial", &serial]).await;
    assert!(
        said.contains(": unknown"),
        "the other issuer's serial: {said}"
    );
    openssl_ok(
        &site.folder,
        &format!(
            "verify -x509_strict -CAfile {} -untrusted after.issuer.pem after.pem",
            site.roots()
        ),
    );
}
