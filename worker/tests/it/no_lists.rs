//! An imported authority that may not sign revocation lists (RFC 5280, section 4.2.1.3): it issues,
//! OCSP tells what is revoked, and nobody tries to make a list for it.

use std::path::Path;

use certmill_crypto::ca::Hierarchy;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::ids::TeamId;
use certmill_domain::revocation::RevocationReason;
use certmill_service::authorities::{self, Import, Target};
use certmill_service::certificates::{self, RevokeAsk, Which};
use certmill_service::{Caller, status};

use crate::lint::{openssl, pkilint};
use crate::rig::*;

/// A sub-CA below a root, both made by OpenSSL; the sub-CA's key usage has keyCertSign alone.
fn elsewhere(folder: &Path) -> Import {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    for (name, usage) in [("root", "keyCertSign,cRLSign"), ("sub", "keyCertSign")] {
        let (key, csr) = (path(&format!("{name}.key")), path("csr.pem"));
        openssl(&[
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            &key,
        ]);
        let subject = format!("/O=Example/CN={name}");
        openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        let extensions = format!(
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,{usage}\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        );
        std::fs::write(path("ext"), extensions).unwrap();
        let (ext, pem) = (path("ext"), path(&format!("{name}.pem")));
        let (root, root_key) = (path("root.pem"), path("root.key"));
        let mut args = vec![
            "x509", "-req", "-in", &csr, "-days", "900", "-extfile", &ext, "-out", &pem,
        ];
        match name {
            "root" => args.extend(["-signkey", &key]),
            _ => args.extend(["-CA", &root, "-CAkey", &root_key, "-CAcreateserial"]),
        }
        openssl(&args);
    }
    let bundle = format!("{}{}", read("sub.pem"), read("root.pem"));
    Import {
        name: "elsewhere".into(),
        certificates: Hierarchy::read_bundle(&bundle).unwrap(),
        key: PrivateKey::from_pem(&read("sub.key")).unwrap(),
        to: Target::Issuer("local".into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_without_crl_sign_issues_and_revokes_without_lists() {
    let rig = rig().await;
    let folder = tempfile::tempdir().unwrap();
    let imported = authorities::import(
        rig.db.owner(),
        &ring(1),
        TeamId::DEFAULT,
        elsewhere(folder.path()),
    )
    .await
    .unwrap();
    assert!(
        imported
            .warnings
            .iter()
            .any(|one| one.contains("lacks cRLSign")),
        "{:?}",
        imported.warnings
    );
    status::publish_url(&rig.context, "http://pki.example.com")
        .await
        .unwrap();
    let worker = rig.worker("a", true).await;
    let id = rig.request("shop.example.com").await;
    rig.until_issued(id, 1).await;

    let ask = RevokeAsk {
        which: Which::Current,
        reason: RevocationReason::CessationOfOperation,
        note: None,
    };
    certificates::revoke(&rig.context, &Caller::system("test"), id, &ask, None)
        .await
        .unwrap();
    until(|| async { rig.count("version WHERE revoked_at IS NOT NULL").await == 1 }).await;
    let sweep = certmill_queue::NewJob::new(
        certmill_queue::TeamId(1),
        certmill_domain::schedule::LANE,
        certmill_domain::schedule::CRL_SWEEP,
        serde_json::json!({}),
    );
    // As a build that knew no better left it behind.
    let left = certmill_service::publication::crl_job(imported.authority.id);
    for job in rig.add_jobs(&[sweep, left]).await {
        rig.until_job(job, |job| job.state.is_final()).await;
    }
    until(|| async { rig.count("job WHERE kind = 'crl'").await == 0 }).await;
    worker.stop().await;

    let own = format!("WHERE ca_key_id = '{}'", imported.authority.id);
    assert_eq!(rig.count(&format!("crl {own}")).await, 0);
    assert_eq!(rig.count("job_attempt").await, 0, "nothing failed");
    let (told, standings) = status::standings(
        rig.db.app(),
        &[imported.authority.id],
        &[serial(&rig).await],
    )
    .await
    .unwrap();
    assert!(
        matches!(
            standings[0],
            certmill_store::revocation::Standing::Revoked(at, _) if at <= told
        ),
        "{standings:?}"
    );
    let listed = authorities::list(rig.db.owner()).await.unwrap();
    let shown = |name: &str| {
        let found = listed.iter().find(|one| one.authority.name == name);
        found.unwrap().publishes_lists
    };
    assert!(!shown("elsewhere") && shown("issuing"));
    let leaf = folder.path().join("leaf.pem");
    let chain = rig.chain(id).await;
    let end = "-----END CERTIFICATE-----\n";
    std::fs::write(&leaf, chain.split_inclusive(end).next().unwrap()).unwrap();
    let text = openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-text"]);
    assert!(
        text.contains("OCSP - URI:http://pki.example.com/ocsp"),
        "{text}"
    );
    assert!(!text.contains("CRL Distribution Points"), "{text}");
    pkilint("lint_pkix_cert", &[], &leaf);
}

async fn serial(rig: &Rig) -> Vec<u8> {
    sqlx::query_scalar("SELECT serial FROM version")
        .fetch_one(rig.db.app())
        .await
        .unwrap()
}
