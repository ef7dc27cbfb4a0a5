//! Authorities from elsewhere: stored whole and used, or refused without a trace.

use certmill_crypto::ca::{CaPlan, SigningCa, create_root};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::ids::TeamId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_service::authorities::{self, Import, Imported, Target};
use certmill_service::{Error, bootstrap};
use certmill_store::issuer;
use time::Duration;

use crate::rig::*;

struct Elsewhere {
    root_der: Vec<u8>,
    sub_der: Vec<u8>,
    sub_key: PrivateKey,
}

async fn elsewhere(rig: &Rig, days: i64, root_path_len: u8) -> Elsewhere {
    let now = now(rig).await;
    let plan = |name: &str, days, path_len| CaPlan {
        common_name: name.into(),
        organization: Some("Example".into()),
        serial: Serial::from_random(random::bytes().unwrap()),
        validity: Validity::plan(now, Duration::days(days), now + Duration::days(9_999)),
        path_len,
    };
    let key = || PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let root_key = key();
    let root_der = create_root(&plan("Example Root", days + 1, root_path_len), &root_key).unwrap();
    let sub_key = key();
    // A root of a path length that this product's own signing would refuse to go below.
    let signer_der = create_root(&plan("Example Root", days + 1, 1), &root_key).unwrap();
    let signer = SigningCa::new(&signer_der, root_key).unwrap();
    Elsewhere {
        sub_der: signer
            .sign_ca(&plan("Example Sub", days, 0), sub_key.public_key())
            .unwrap(),
        root_der,
        sub_key,
    }
}

async fn import(rig: &Rig, from: &Elsewhere, name: &str, to: Target) -> Result<Imported, Error> {
    let import = Import {
        name: name.into(),
        certificates: vec![from.root_der.clone(), from.sub_der.clone()],
        key: PrivateKey::from_der(from.sub_key.pkcs8_der()).unwrap(),
        to,
    };
    authorities::import(rig.db.owner(), &ring(1), TeamId::DEFAULT, import).await
}

fn local() -> Target {
    Target::Issuer("local".into())
}

#[tokio::test]
async fn before_the_first_use_our_own_root_disappears() {
    let rig = rig().await;
    let from = elsewhere(&rig, 900, 1).await;

    let imported = import(&rig, &from, "example", local()).await.unwrap();

    assert_eq!(imported.retired, ["issuing", "root"]);
    assert_eq!(imported.warnings, Vec::<String>::new());
    assert_eq!(
        authorities::anchors_pem(rig.db.app()).await.unwrap(),
        certificate_pem(&from.root_der)
    );
    let mut conn = rig.db.app().acquire().await.unwrap();
    let row = issuer::by_name(&mut conn, TeamId::DEFAULT, "local")
        .await
        .unwrap();
    assert_eq!(row.ca_key_id, Some(imported.authority.id));
    bootstrap::open_ca_key(rig.db.app(), &ring(1), imported.authority.id)
        .await
        .unwrap();
    let again = authorities::roll(rig.db.owner(), &ring(1), TeamId::DEFAULT, "local").await;
    assert_eq!(conflict(again.map(|_| ())), "root_elsewhere");
}

#[tokio::test]
async fn after_the_first_use_both_roots_are_trusted() {
    let rig = rig().await;
    let old = authorities::anchors_pem(rig.db.app()).await.unwrap();
    request(&rig, "a.example.com").await;
    let from = elsewhere(&rig, 30, 1).await;

    let imported = import(&rig, &from, "example", local()).await.unwrap();

    assert!(imported.retired.is_empty());
    let both = format!("{old}{}", certificate_pem(&from.root_der));
    assert_eq!(authorities::anchors_pem(rig.db.app()).await.unwrap(), both);
    let words = imported.warnings.join("\n");
    assert!(
        words.contains("the profile default will be cut short"),
        "{words}"
    );
}

#[tokio::test]
async fn a_new_issuer_gets_a_lane_of_its_own() {
    let rig = rig().await;
    let from = elsewhere(&rig, 900, 1).await;
    let to = || Target::New("example".into());
    let imported = import(&rig, &from, "example", to()).await.unwrap();
    assert!(imported.retired.is_empty());
    assert_eq!(
        count(&rig, "lane WHERE name = 'issue:example' AND needs_key").await,
        1
    );
    assert_eq!(count(&rig, "issuer WHERE kind = 'local'").await, 2);
    let twin = import(&rig, &from, "other", to()).await;
    assert_eq!(conflict(twin.map(|_| ())), "name_taken");
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let rig = rig().await;
    let from = elsewhere(&rig, 900, 1).await;
    let narrow = elsewhere(&rig, 900, 0).await;
    for (from, name, to, code) in [
        (&narrow, "example", local(), "ca_path_length"),
        (&from, "issuing", local(), "name_taken"),
        (&from, "Example", local(), "name_form"),
        (&from, "", local(), "name_form"),
        (&from, "example", Target::New("a b".into()), "name_form"),
    ] {
        let refused = import(&rig, from, name, to).await;
        assert_eq!(conflict(refused.map(|_| ())), code, "{name}");
    }
    let nobody = import(&rig, &from, "example", Target::Issuer("no".into())).await;
    assert!(matches!(nobody, Err(Error::NotFound("issuer"))));
    assert_eq!(count(&rig, "ca_key").await, 2);
    assert_eq!(count(&rig, "lane WHERE name LIKE 'issue:%'").await, 1);
    assert_eq!(count(&rig, "audit").await, 0);
}
