//! The first rows: made once, whoever makes them and however often.

use certmill_crypto::ca::SigningCa;
use certmill_domain::ids::TeamId;
use certmill_service::bootstrap::{self, CONTROL_PROFILE, LOCAL_LANE};
use certmill_service::{Error, authorities, keks};
use certmill_store::{ca_key, issuer, profile};
use certmill_testkit::TestDb;

use crate::rig::*;

async fn root(db: &TestDb) -> Vec<u8> {
    let mut conn = db.app().acquire().await.unwrap();
    ca_key::by_name(&mut conn, "root")
        .await
        .unwrap()
        .unwrap()
        .certificate_der
}

#[tokio::test]
async fn a_seeded_database_can_issue() {
    let rig = rig().await;
    let mut conn = rig.db.app().acquire().await.unwrap();

    let local = issuer::by_name(&mut conn, TeamId::DEFAULT, "local")
        .await
        .unwrap();

    assert_eq!(
        (local.kind.as_str(), local.lane.as_str()),
        ("local", LOCAL_LANE)
    );
    let default = profile::by_name(&mut conn, TeamId::DEFAULT, "default")
        .await
        .unwrap();
    assert_eq!(default.issuer_id, local.id);
    profile::by_name(&mut conn, TeamId::DEFAULT, CONTROL_PROFILE)
        .await
        .unwrap();
    let issuing = ca_key::by_id(&mut conn, local.ca_key_id.unwrap())
        .await
        .unwrap();
    assert_eq!(local.ca_not_after, Some(issuing.not_after));
    let key = bootstrap::open_ca_key(rig.db.app(), &ring(1), issuing.id)
        .await
        .unwrap();
    SigningCa::new(&issuing.certificate_der, key).expect("the key belongs to the certificate");
    let wrong = bootstrap::open_ca_key(rig.db.app(), &ring(9), issuing.id).await;
    assert!(matches!(wrong, Err(Error::Crypto(_))));
    let nothing = bootstrap::open_ca_key(rig.db.app(), &ring(1), uuid::Uuid::nil()).await;
    assert!(matches!(nothing, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn an_empty_database_says_so() {
    let db = TestDb::new().await;
    assert!(!bootstrap::is_seeded(db.app()).await.unwrap());
    let missing = authorities::anchors_pem(db.app()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    bootstrap::seed(db.owner(), &ring(1), &ring(2))
        .await
        .unwrap();
    assert!(bootstrap::is_seeded(db.app()).await.unwrap());
    assert!(
        authorities::anchors_pem(db.app())
            .await
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
}

#[tokio::test]
async fn a_second_seed_changes_nothing() {
    let rig = rig().await;
    let before = root(&rig.db).await;
    bootstrap::seed(rig.db.owner(), &ring(1), &ring(2))
        .await
        .unwrap();
    assert_eq!(root(&rig.db).await, before);
    for (table, rows) in [
        ("ca_key", 2),
        ("issuer", 1),
        ("profile", 2),
        ("kek", 2),
        ("lane", 3),
    ] {
        assert_eq!(count(&rig, table).await, rows, "{table}");
    }
}

#[tokio::test]
async fn two_seeds_at_once_make_one_root() {
    let db = TestDb::new().await;
    let (ca, app) = (ring(1), ring(2));

    let (a, b) = tokio::join!(
        bootstrap::seed(db.owner(), &ca, &app),
        bootstrap::seed(db.owner(), &ca, &app)
    );

    a.unwrap();
    b.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM ca_key")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(rows, 2, "a root and an issuing CA");
}

#[tokio::test]
async fn of_two_seeds_with_different_keys_one_is_refused() {
    let db = TestDb::new().await;
    let (one, other, app) = (ring(1), ring(3), ring(2));

    let (a, b) = tokio::join!(
        bootstrap::seed(db.owner(), &one, &app),
        bootstrap::seed(db.owner(), &other, &app)
    );

    assert_eq!(
        usize::from(a.is_ok()) + usize::from(b.is_ok()),
        1,
        "{a:?} {b:?}"
    );
    let refused = a.err().or(b.err()).unwrap();
    assert!(matches!(refused, Error::Misconfigured(_)), "{refused}");
    let keks: i64 = sqlx::query_scalar("SELECT count(*) FROM kek WHERE purpose = 'ca'")
        .fetch_one(db.app())
        .await
        .unwrap();
    assert_eq!(keks, 1, "what the loser registered is rolled back");
}

#[tokio::test]
async fn another_key_file_is_refused_with_both_ids() {
    let rig = rig().await;
    let id = |byte| ring(byte).current().id().to_string();
    let (known, app, other) = (id(1), id(2), id(7));
    for (ca, app) in [(ring(7), ring(2)), (ring(1), ring(7))] {
        let refused = bootstrap::seed(rig.db.owner(), &ca, &app)
            .await
            .unwrap_err();
        let words = refused.to_string();
        assert!(
            matches!(refused, Error::Misconfigured(_)) && words.contains(&other),
            "{words}"
        );
    }
    let keks = |byte| ring(byte).keks().cloned().collect::<Vec<_>>();
    let found = keks::keyring(rig.db.app(), "ca", [keks(7), keks(1)].concat())
        .await
        .unwrap();
    assert_eq!(
        found.current().id().to_string(),
        known,
        "the database decides"
    );
    for (purpose, loaded) in [("ca", keks(7)), ("app", keks(1)), ("ca", Vec::new())] {
        let refused = keks::keyring(rig.db.app(), purpose, loaded).await;
        let words = refused.err().unwrap().to_string();
        let wanted = if purpose == "ca" { &known } else { &app };
        assert!(words.contains(wanted.as_str()), "{words}");
        assert!(words.contains(&format!("{purpose}.kek")), "{words}");
    }
}

#[tokio::test]
async fn the_application_role_cannot_make_a_root() {
    let db = TestDb::new().await;
    assert!(bootstrap::seed(db.app(), &ring(1), &ring(2)).await.is_err());
    assert!(!bootstrap::is_seeded(db.app()).await.unwrap());
}
