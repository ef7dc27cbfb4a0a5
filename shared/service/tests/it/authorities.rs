//! Authorities: rolled over in one transaction, retired only when nothing hangs on them.

use certmill_crypto::ca::SigningCa;
use certmill_crypto::chain::{certificate_pem, certificates_from_pem};
use certmill_domain::ids::TeamId;
use certmill_service::{Error, authorities, bootstrap};
use certmill_store::issuer;

use crate::rig::*;

async fn roll(rig: &Rig) -> Result<authorities::Rolled, Error> {
    authorities::roll(rig.db.owner(), &ring(1), TeamId::DEFAULT, "local").await
}

#[tokio::test]
async fn a_rollover_moves_the_issuer_and_keeps_the_old_authority() {
    let rig = rig().await;
    let anchors = authorities::anchors_pem(rig.db.app()).await.unwrap();

    let rolled = roll(&rig).await.unwrap();

    assert_eq!(
        (rolled.before.name.as_str(), rolled.after.name.as_str()),
        ("issuing", "issuing-2")
    );
    let key = bootstrap::open_ca_key(rig.db.app(), &ring(1), rolled.after.id)
        .await
        .unwrap();
    SigningCa::new(&rolled.after.certificate_der, key).unwrap();
    let mut conn = rig.db.app().acquire().await.unwrap();
    let local = issuer::by_name(&mut conn, TeamId::DEFAULT, "local")
        .await
        .unwrap();
    assert_eq!(local.ca_key_id, Some(rolled.after.id));
    let chain = certificates_from_pem(local.config["chain_pem"].as_str().unwrap()).unwrap();
    assert_eq!(chain[0], rolled.after.certificate_der);
    assert_eq!(chain[1..], rolled.after.chain_der);
    assert_eq!(
        authorities::anchors_pem(rig.db.app()).await.unwrap(),
        anchors,
        "the same root"
    );
    let listed = authorities::list(rig.db.owner()).await.unwrap();
    let users: Vec<_> = listed
        .iter()
        .map(|one| (one.authority.name.as_str(), one.issuers.len()))
        .collect();
    assert_eq!(users, [("root", 0), ("issuing", 0), ("issuing-2", 1)]);
    assert_eq!(count(&rig, "audit WHERE action = 'ca.roll'").await, 1);
    assert_eq!(
        count(&rig, "event WHERE code = 'authority_changed'").await,
        1
    );
}

#[tokio::test]
async fn a_refused_rollover_leaves_nothing() {
    let rig = rig().await;
    let owner = rig.db.owner();
    let wrong = authorities::roll(owner, &ring(9), TeamId::DEFAULT, "local").await;
    assert!(matches!(wrong, Err(Error::Crypto(_))), "{wrong:?}");
    let nobody = authorities::roll(owner, &ring(1), TeamId::DEFAULT, "other").await;
    assert!(matches!(nobody, Err(Error::NotFound("issuer"))));
    assert_eq!(count(&rig, "ca_key").await, 2);
    assert!(
        authorities::roll(rig.db.app(), &ring(1), TeamId::DEFAULT, "local")
            .await
            .is_err(),
        "the application's user makes no authority"
    );
}

#[tokio::test]
async fn two_rollovers_at_once_follow_each_other() {
    let rig = rig().await;
    let (a, b) = tokio::join!(roll(&rig), roll(&rig));
    let mut names = [a, b].map(|rolled| rolled.unwrap().after.name);
    names.sort();
    assert_eq!(names, ["issuing-2", "issuing-3"]);
}

#[tokio::test]
async fn a_new_root_is_an_anchor_before_anything_is_signed_below_it() {
    let rig = rig().await;
    let old = authorities::anchors_pem(rig.db.app()).await.unwrap();

    let root = authorities::roll_root(rig.db.owner(), &ring(1))
        .await
        .unwrap();

    let both = authorities::anchors_pem(rig.db.app()).await.unwrap();
    assert_eq!(
        both,
        format!("{old}{}", certificate_pem(&root.certificate_der))
    );
    let rolled = roll(&rig).await.unwrap();
    assert_eq!(rolled.after.parent_id, Some(root.id));
    for name in ["issuing", "root"] {
        authorities::retire(rig.db.owner(), name).await.unwrap();
    }
    assert_eq!(
        authorities::anchors_pem(rig.db.app()).await.unwrap(),
        certificate_pem(&root.certificate_der)
    );
}

#[tokio::test]
async fn what_something_hangs_on_is_not_retired() {
    let rig = rig().await;
    let owner = rig.db.owner();
    for name in ["issuing", "root"] {
        let refused = authorities::retire(owner, name).await;
        assert_eq!(conflict(refused), "authority_in_use", "{name}");
    }
    assert!(matches!(
        authorities::retire(owner, "no").await,
        Err(Error::NotFound(_))
    ));
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;
    let rolled = roll(&rig).await.unwrap();
    run(
        rig.db.app(),
        &format!(
            "UPDATE version SET chain_der = ARRAY['\\x{}'::bytea]",
            data_encoding::HEXLOWER.encode(&rolled.before.certificate_der)
        ),
    )
    .await;
    assert_eq!(
        conflict(authorities::retire(owner, "issuing").await),
        "authority_in_use"
    );
    run(
        rig.db.app(),
        "UPDATE version SET not_before = now() - interval '2 s', not_after = now() - interval '1 s'",
    )
    .await;
    authorities::retire(owner, "issuing").await.unwrap();
    authorities::retire(owner, "issuing").await.unwrap();
}
