//! The smaller tables: what goes in comes out, named constraints refuse, strangers see nothing.

use certmill_domain::ids::{CertificateId, IssuerId, OrderId, ProfileId, TeamId, VersionId};
use certmill_domain::renewal::RenewalRule;
use certmill_store::advance::{Advance, advance_all};
use certmill_store::audit::NewAudit;
use certmill_store::ca_key::CaKey;
use certmill_store::event::NewEvent;
use certmill_store::sealed::SEALED;
use certmill_store::{Error, audit, ca_key, clock, event, issuer, kek, profile};
use certmill_testkit::TestDb;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::rig::*;

#[tokio::test]
async fn a_ca_key_comes_back_whole_and_its_name_is_taken_once() {
    let db = TestDb::new().await;
    let mut conn = db.owner().acquire().await.unwrap();
    kek::register(&mut conn, "k1", "ca").await.unwrap();
    let not_after = clock::now(&mut conn).await.unwrap() + Duration::days(3_650);
    let root = CaKey {
        id: ca_key::draw_id(&mut conn).await.unwrap(),
        name: "root".into(),
        parent_id: None,
        certificate_der: vec![1, 2],
        chain_der: vec![vec![5], vec![6]],
        not_after,
        kek_id: "k1".into(),
        key_sealed: vec![3, 4],
        retired_at: None,
    };

    ca_key::insert(&mut conn, &root).await.unwrap();

    let found = ca_key::by_name(&mut conn, "root").await.unwrap().unwrap();
    assert_eq!((found.id, found.parent_id), (root.id, None));
    assert_eq!(
        (found.chain_der.as_slice(), found.root_der()),
        (&[vec![5], vec![6]][..], &[6][..])
    );
    assert_eq!(
        (found.certificate_der, found.key_sealed),
        (vec![1, 2], vec![3, 4])
    );
    assert_eq!((found.not_after, found.kek_id.as_str()), (not_after, "k1"));
    assert_eq!(
        ca_key::by_id(&mut conn, root.id).await.unwrap().name,
        "root"
    );
    assert!(
        ca_key::by_name(&mut conn, "issuing")
            .await
            .unwrap()
            .is_none()
    );
    let missing = ca_key::by_id(&mut conn, Uuid::nil()).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    let second = CaKey {
        id: ca_key::draw_id(&mut conn).await.unwrap(),
        ..root
    };
    let refused = ca_key::insert(&mut conn, &second).await.unwrap_err();
    assert!(refused.is_conflict_on("ca_key_name_unique"), "{refused}");
}

#[tokio::test]
async fn kek_ids_are_known_by_purpose_oldest_first() {
    let db = TestDb::new().await;
    let mut conn = db.owner().acquire().await.unwrap();
    for (id, purpose) in [("b", "ca"), ("a", "ca"), ("c", "app"), ("b", "ca")] {
        kek::register(&mut conn, id, purpose).await.unwrap();
    }
    let known = async |conn: &mut sqlx::PgConnection, purpose| {
        let known = kek::known(conn, purpose).await.unwrap();
        known
            .into_iter()
            .map(|one| (one.id, one.seals))
            .collect::<Vec<_>>()
    };
    let row = |id: &str, seals| (id.to_owned(), seals);
    assert_eq!(
        known(&mut conn, "ca").await,
        [row("b", true), row("a", false)]
    );
    assert_eq!(known(&mut conn, "app").await, [row("c", true)]);
    kek::let_seal(&mut conn, "a", "ca").await.unwrap();
    assert_eq!(
        known(&mut conn, "ca").await,
        [row("b", false), row("a", true)]
    );
    let foreign = kek::let_seal(&mut conn, "c", "ca").await;
    assert!(matches!(foreign, Err(Error::NotFound)));
    kek::let_seal(&mut conn, "a", "ca").await.unwrap();
    assert!(!kek::forget(&mut conn, "a").await.unwrap(), "it seals");
    assert!(kek::forget(&mut conn, "b").await.unwrap());
    let odd = kek::register(&mut conn, "d", "other").await.unwrap_err();
    assert!(odd.is_conflict_on("kek_purpose_known"), "{odd}");
}

#[tokio::test]
async fn an_issuer_is_found_by_id_and_name_in_its_team_only() {
    let rig = rig().await;
    let mut conn = rig.conn().await;

    let found = issuer::by_name(&mut conn, TEAM, "first").await.unwrap();

    assert_eq!(
        (found.id, found.kind.as_str(), found.lane.as_str()),
        (rig.issuer, "fake", "issue:first")
    );
    assert_eq!(found.config, serde_json::json!({ "of": "first" }));
    assert_eq!(
        (found.ca_key_id, found.ca_not_after, found.last_ok_at),
        (None, None, None)
    );
    assert_eq!(
        issuer::by_id(&mut conn, rig.issuer).await.unwrap().name,
        "first"
    );
    let missing = issuer::by_id(&mut conn, IssuerId(Uuid::nil())).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    let foreign = issuer::by_name(&mut conn, STRANGERS, "first").await;
    assert!(matches!(foreign, Err(Error::NotFound)));
    let twin = issuer::insert(
        &mut conn,
        TEAM,
        "first",
        "fake",
        &found.config,
        None,
        "issue:first",
    )
    .await;
    assert!(twin.unwrap_err().is_conflict_on("issuer_name_unique"));
    let laneless =
        issuer::insert(&mut conn, TEAM, "x", "fake", &found.config, None, "nowhere").await;
    assert!(matches!(laneless, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn issuers_are_listed_by_pages() {
    let rig = rig().await;
    add_issuer(&rig.db, "second").await;
    let mut conn = rig.conn().await;
    let page = issuer::list(&mut conn, TEAM, None, 1).await.unwrap();
    let rest = issuer::list(&mut conn, TEAM, Some(page[0].id), 10)
        .await
        .unwrap();
    assert_eq!(
        (page[0].name.as_str(), rest[0].name.as_str()),
        ("first", "second")
    );
    assert_eq!(rest.len(), 1);
    assert!(
        issuer::list(&mut conn, STRANGERS, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

/// What an issuance says of its issuer, without the issuance.
async fn answered(conn: &mut PgConnection, issuer_id: IssuerId) {
    let advance = Advance {
        id: CertificateId(Uuid::nil()),
        generation: 1,
        version_id: VersionId(Uuid::nil()),
        order_id: OrderId(Uuid::nil()),
        issuer_id,
        not_after: OffsetDateTime::UNIX_EPOCH,
        renew_at: OffsetDateTime::UNIX_EPOCH,
    };
    advance_all(conn, &[advance]).await.unwrap();
}

#[tokio::test]
async fn an_issuers_answer_is_noted_at_most_every_five_seconds_and_never_waits() {
    let rig = rig().await;
    let mut conn = rig.conn().await;
    answered(&mut conn, rig.issuer).await;
    let first = issuer::by_id(&mut conn, rig.issuer)
        .await
        .unwrap()
        .last_ok_at;
    assert!(first.is_some());

    answered(&mut conn, rig.issuer).await;
    assert_eq!(
        issuer::by_id(&mut conn, rig.issuer)
            .await
            .unwrap()
            .last_ok_at,
        first
    );

    sqlx::query("UPDATE issuer SET last_ok_at = last_ok_at - interval '6 s'")
        .execute(rig.db.app())
        .await
        .unwrap();
    let mut busy = certmill_pg::begin(rig.db.app()).await.unwrap();
    answered(&mut busy, rig.issuer).await;
    let beside = answered(&mut conn, rig.issuer);
    tokio::time::timeout(PATIENCE, beside)
        .await
        .expect("a locked row is left alone");
    busy.commit().await.unwrap();
    assert!(
        issuer::by_id(&mut conn, rig.issuer)
            .await
            .unwrap()
            .last_ok_at
            > first
    );
}

#[tokio::test]
async fn a_profile_comes_back_whole_with_either_rule() {
    let rig = rig().await;
    let mut conn = rig.conn().await;
    let mut other = new_profile("short", rig.issuer);
    other.renewal = RenewalRule::Before(Duration::hours(6));
    other.allowed_names.clear();

    other.id = profile::insert(&mut conn, &other).await.unwrap();

    assert_eq!(profile::by_id(&mut conn, other.id).await.unwrap(), other);
    assert_eq!(
        profile::by_name(&mut conn, TEAM, "short").await.unwrap(),
        other
    );
    let fraction = profile::by_id(&mut conn, rig.profile).await.unwrap();
    assert_eq!(fraction.renewal, RenewalRule::Fraction(0.5));
    let listed = profile::list(&mut conn, TEAM, Some(rig.profile), 10)
        .await
        .unwrap();
    assert_eq!(listed, [other.clone()]);
    assert_eq!(
        profile::list(&mut conn, TEAM, None, 1).await.unwrap(),
        [fraction]
    );
    let twin = profile::insert(&mut conn, &other).await.unwrap_err();
    assert!(twin.is_conflict_on("profile_name_unique"), "{twin}");
    let foreign = profile::by_name(&mut conn, STRANGERS, "short").await;
    assert!(matches!(foreign, Err(Error::NotFound)));
    let missing = profile::by_id(&mut conn, ProfileId(Uuid::nil())).await;
    assert!(matches!(missing, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_word_of_a_newer_build_is_told_from_an_unreadable_row() {
    let rig = rig().await;
    for (change, is_newer) in [
        ("UPDATE profile SET key_algorithms = '{dsa}'", true),
        (
            "ALTER TABLE profile DROP CONSTRAINT profile_renewal_one_rule;
             UPDATE profile SET key_algorithms = '{}', renew_fraction = NULL, renew_before_s = NULL",
            false,
        ),
    ] {
        sqlx::raw_sql(change).execute(rig.db.owner()).await.unwrap();
        let read = profile::by_id(&mut *rig.conn().await, rig.profile).await;
        assert_eq!(matches!(read, Err(Error::Newer { .. })), is_newer, "{read:?}");
        assert_eq!(matches!(read, Err(Error::Corrupt(_))), !is_newer, "{read:?}");
    }
}

#[tokio::test]
async fn audit_rows_and_events_are_written_in_their_order() {
    let db = TestDb::new().await;
    let mut tx = certmill_pg::begin(db.app()).await.unwrap();
    let audits: Vec<NewAudit> = ["one", "two"]
        .map(|object| NewAudit {
            team_id: TeamId(1),
            actor: "system:test".into(),
            action: "test.done",
            object: object.into(),
            request_id: (object == "two").then(|| "req".into()),
            detail: serde_json::json!({ "of": object }),
        })
        .into();
    let events: Vec<NewEvent> = ["one", "two"]
        .map(|object| NewEvent {
            team_id: TeamId(1),
            topic: "certificate",
            object: object.into(),
            code: "tested",
            detail: serde_json::json!({ "of": object }),
        })
        .into();

    audit::append(&mut tx, &audits).await.unwrap();
    event::append(&mut tx, &events).await.unwrap();
    tx.commit().await.unwrap();

    let rows: Vec<(String, String, String, Option<String>, serde_json::Value)> =
        sqlx::query_as("SELECT actor, action, object, request_id, detail FROM audit ORDER BY id")
            .fetch_all(db.app())
            .await
            .unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].2.as_str(), rows[0].3.as_deref()), ("one", None));
    assert_eq!(
        (rows[1].2.as_str(), rows[1].3.as_deref()),
        ("two", Some("req"))
    );
    assert_eq!(
        (rows[1].0.as_str(), rows[1].1.as_str()),
        ("system:test", "test.done")
    );
    assert_eq!(rows[1].4, serde_json::json!({ "of": "two" }));
    let told: Vec<(String, String, String)> =
        sqlx::query_as("SELECT topic, object, code FROM event ORDER BY id")
            .fetch_all(db.app())
            .await
            .unwrap();
    let want = |object: &str| {
        (
            "certificate".to_owned(),
            object.to_owned(),
            "tested".to_owned(),
        )
    };
    assert_eq!(told, [want("one"), want("two")]);
}

#[tokio::test]
async fn deciders_about_keks_go_one_after_the_other_and_readers_beside_them() {
    let db = TestDb::new().await;
    let mut first = certmill_pg::begin(db.owner()).await.unwrap();
    kek::lock(&mut first).await.unwrap();
    let mut reader = db.app().acquire().await.unwrap();
    assert!(kek::known(&mut reader, "ca").await.unwrap().is_empty());
    let mut session = db.owner_session().await;
    let waiter = pid(&mut session).await;
    let mut second = sqlx::Connection::begin(&mut session).await.unwrap();

    let (locked, ()) = tokio::join!(kek::lock(&mut second), async {
        until_blocked(&db, waiter).await;
        kek::register(&mut first, "k1", "ca").await.unwrap();
        first.commit().await.unwrap();
    });

    locked.unwrap();
    assert_eq!(kek::known(&mut second, "ca").await.unwrap()[0].id, "k1");
    assert!(
        kek::lock(&mut reader).await.is_err(),
        "the application's role may not"
    );
}

#[tokio::test]
async fn every_sealed_column_stands_in_the_list() {
    let db = TestDb::new().await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name LIKE '%sealed' ORDER BY 1, 2",
    )
    .fetch_all(db.app())
    .await
    .unwrap();
    let mut listed: Vec<(String, String)> = SEALED
        .iter()
        .map(|one| (one.table.to_owned(), one.column.to_owned()))
        .collect();
    listed.sort();
    assert_eq!(found, listed);
    for one in SEALED {
        assert!(
            one.count(&mut db.owner_session().await)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
