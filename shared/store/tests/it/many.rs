//! What is read and written for many at once says the same as one by one.

use certmill_domain::ids::CertificateId;
use certmill_domain::order::OrderState;
use certmill_store::audit::NewAudit;
use certmill_store::event::NewEvent;
use certmill_store::standing::standing_all;
use certmill_store::{certificate, issuer, journal, order, profile, shown_by};
use serde_json::json;
use uuid::Uuid;

use crate::rig::*;

#[tokio::test]
async fn rows_of_many_ids_are_those_of_each() {
    let rig = rig().await;
    let ids = [
        rig.add("a.example.com").await,
        rig.add("b.example.com").await,
    ];
    let nobody = CertificateId(Uuid::nil());
    let mut conn = rig.conn().await;

    let mut rows = certificate::by_ids(&mut conn, &[ids[0], nobody, ids[1]])
        .await
        .unwrap();
    rows.sort_by_key(|row| row.id);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["a.example.com", "b.example.com"]);

    let shown = shown_by::read(&mut conn, &[(rig.profile, rig.issuer)])
        .await
        .unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].profile.as_str(), shown[0].issuer.as_str()),
        ("web", "first")
    );
    assert_eq!(
        (shown[0].profile_id, shown[0].issuer_id),
        (rig.profile, rig.issuer)
    );
    assert!(shown[0].now >= rows[0].created_at);

    let profiles = profile::by_ids(&mut conn, &[rig.profile, rig.profile])
        .await
        .unwrap();
    assert_eq!((profiles.len(), profiles[0].name.as_str()), (1, "web"));
    let issuers = issuer::by_ids(&mut conn, &[rig.issuer]).await.unwrap();
    assert_eq!((issuers.len(), issuers[0].name.as_str()), (1, "first"));
}

#[tokio::test]
async fn standing_orders_of_many_are_those_of_each() {
    let rig = rig().await;
    let (a, b) = (
        rig.add("a.example.com").await,
        rig.add("b.example.com").await,
    );
    let (first, second) = (rig.order(a, 1).await, rig.order(b, 2).await);
    rig.order(b, 1).await;
    let mut conn = rig.conn().await;
    order::end(&mut conn, b, 1, OrderState::Failed, "x")
        .await
        .unwrap();

    let wanted = [(a, 1), (a, 2), (b, 1), (b, 2)];
    let mut found = standing_all(&mut conn, &wanted).await.unwrap();

    found.sort_by_key(|one| one.order.plan.generation);
    let ids: Vec<_> = found.iter().map(|one| one.order.id).collect();
    assert_eq!(ids, [first.id, second.id]);
    assert_eq!(found[0].order.plan.serial, first.plan.serial);
    let certificates: Vec<_> = found.iter().map(|one| one.certificate.id).collect();
    assert_eq!(certificates, [a, b]);
}

#[tokio::test]
async fn a_changed_profile_or_issuer_shows_in_its_row_version() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    rig.order(id, 1).await;
    let mut conn = rig.conn().await;
    let mut versions = Vec::new();
    for change in [
        "SELECT 1",
        "UPDATE profile SET name = name",
        "UPDATE issuer SET name = name",
    ] {
        sqlx::query(change).execute(rig.db.app()).await.unwrap();
        let found = standing_all(&mut conn, &[(id, 1)]).await.unwrap();
        versions.push((
            found[0].profile_version.clone(),
            found[0].issuer_version.clone(),
        ));
    }
    assert_ne!(versions[0].0, versions[1].0, "the profile was written");
    assert_eq!(versions[0].1, versions[1].1);
    assert_eq!(versions[1].0, versions[2].0);
    assert_ne!(versions[1].1, versions[2].1, "the issuer was written");
}

#[tokio::test]
async fn a_change_leaves_its_audit_rows_and_events_together() {
    let rig = rig().await;
    let audit = |object: &str| NewAudit {
        team_id: TEAM,
        actor: "key_1".into(),
        action: "certificate.request",
        object: object.into(),
        request_id: None,
        detail: json!({ "of": object }),
    };
    let event = NewEvent {
        team_id: TEAM,
        topic: "certificate",
        object: "crt_1".into(),
        code: "requested",
        detail: json!({}),
    };
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    journal::append(&mut tx, &[audit("crt_1"), audit("crt_2")], &[event])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut conn = rig.conn().await;
    let audits: Vec<(String, serde_json::Value)> =
        sqlx::query_as("SELECT object, detail FROM audit ORDER BY id")
            .fetch_all(&mut *conn)
            .await
            .unwrap();
    let wanted = ["crt_1", "crt_2"].map(|object| (object.to_owned(), json!({ "of": object })));
    assert_eq!(audits, wanted);
    let events: Vec<String> = sqlx::query_scalar("SELECT object FROM event")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_eq!(events, ["crt_1"]);
}
