//! Certificates as rows: one a name, forward only, seen by their own team.

use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::{CertificateId, OrderId, VersionId};
use certmill_domain::names::Names;
use certmill_domain::profile::KeySource;
use certmill_store::advance::{Advance, advance_all};
use certmill_store::certificate::{Filter, NewCertificate};
use certmill_store::{Error, certificate, kek, version};
use time::Duration;
use uuid::Uuid;

use crate::rig::*;

#[tokio::test]
async fn a_batch_is_stored_whole_and_names_that_are_taken_are_said() {
    let rig = rig().await;
    let taken = rig.add("b.example.com").await;
    let names = [
        "c.example.com",
        "b.example.com",
        "a.example.com",
        "c.example.com",
    ];
    let mut batch = names.map(|name| rig.new_certificate(name));
    batch[0].names = Names::parse(["c.example.com", "192.0.2.7", "*.c.example.com"]).unwrap();

    let ids = certificate::insert_all(&mut *rig.conn().await, &batch)
        .await
        .unwrap();

    assert!(ids[1].is_none(), "taken before");
    assert!(ids[3].is_none(), "taken by the same batch");
    let c = rig.read(ids[0].unwrap()).await;
    assert_eq!(c.names, batch[0].names);
    assert_eq!(
        (c.name.as_str(), c.status, c.generation),
        ("c.example.com", CertificateStatus::Pending, 0)
    );
    assert_eq!(
        (c.profile_id, c.issuer_id, c.key_source),
        (rig.profile, rig.issuer, KeySource::Csr)
    );
    assert_eq!(
        (c.csr_der.as_slice(), c.spki_sha256.as_slice()),
        (&[0x30, 0x00][..], &[7; 32][..])
    );
    assert!(
        c.version_id.is_none()
            && c.not_after.is_none()
            && c.renew_at.is_none()
            && c.fault.is_none()
    );
    let armed = c.sweep_at.unwrap() - c.created_at;
    assert!(
        (Duration::minutes(9)..Duration::minutes(11)).contains(&armed),
        "{armed}"
    );
    assert_eq!(rig.read(ids[2].unwrap()).await.name, "a.example.com");
    assert_eq!(rig.read(taken).await.name, "b.example.com");
}

#[tokio::test]
async fn a_sealed_key_is_read_apart_and_must_be_there() {
    let rig = rig().await;
    let mut owner = rig.db.owner().acquire().await.unwrap();
    kek::register(&mut owner, "app1", "app").await.unwrap();
    let mut conn = rig.conn().await;
    let id = certificate::draw_id(&mut conn).await.unwrap();
    let sealed = NewCertificate {
        id: Some(id),
        key_source: KeySource::Sealed,
        sealed_key: Some(("app1".into(), vec![9, 9])),
        ..rig.new_certificate("s.example.com")
    };
    assert_eq!(rig.add_all(std::slice::from_ref(&sealed)).await, [id]);
    let plain = rig.add("p.example.com").await;

    assert_eq!(
        certificate::sealed_key(&mut conn, TEAM, id).await.unwrap(),
        Some(vec![9, 9])
    );
    assert_eq!(
        certificate::sealed_key(&mut conn, TEAM, plain)
            .await
            .unwrap(),
        None
    );
    let foreign = certificate::sealed_key(&mut conn, STRANGERS, id).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
    let keyless = NewCertificate {
        id: None,
        name: "k.example.com".into(),
        sealed_key: None,
        ..sealed
    };
    let refused = certificate::insert_all(&mut conn, &[keyless])
        .await
        .unwrap_err();
    assert!(
        refused.is_conflict_on("certificate_sealed_key_present"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_foreign_team_finds_nothing() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut conn = rig.conn().await;
    for team in [STRANGERS] {
        let read = certificate::by_id(&mut conn, team, id).await;
        assert!(matches!(read, Err(Error::NotFound)));
        let locked = certificate::lock(&mut conn, team, id).await;
        assert!(matches!(locked, Err(Error::NotFound)));
        let listed = certificate::list(&mut conn, team, &Filter::default(), None, 10).await;
        assert!(listed.unwrap().is_empty());
    }
    let nothing = certificate::by_id(&mut conn, TEAM, CertificateId(Uuid::nil())).await;
    assert!(matches!(nothing, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_locked_certificate_makes_the_next_locker_wait() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut first = certmill_pg::begin(rig.db.app()).await.unwrap();
    certificate::lock(&mut first, TEAM, id).await.unwrap();
    let mut second = rig.db.session().await;
    let waiter = pid(&mut second).await;

    let (locked, ()) = tokio::join!(certificate::lock(&mut second, TEAM, id), async {
        until_blocked(&rig.db, waiter).await;
        certificate::mark_failed(&mut first, id, "refused", "no", false)
            .await
            .unwrap();
        first.commit().await.unwrap();
    });

    assert_eq!(
        locked.unwrap().status,
        CertificateStatus::Failed,
        "sees what the first wrote"
    );
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let rig = rig().await;
    let a = rig.add("a.example.com").await;
    let b = rig.add("b.example.com").await;
    let mut conn = rig.conn().await;
    certificate::mark_failed(&mut conn, b, "refused", "no", false)
        .await
        .unwrap();
    let ids = async |filter: Filter, after, limit| {
        let rows = certificate::list(&mut *rig.conn().await, TEAM, &filter, after, limit)
            .await
            .unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let named = |name: &str| Filter {
        names: vec![name.into()],
        ..Filter::default()
    };
    let failed = Filter {
        statuses: vec![CertificateStatus::Failed],
        ..Filter::default()
    };

    assert_eq!(ids(Filter::default(), None, 10).await, [a, b]);
    assert_eq!(ids(Filter::default(), None, 1).await, [a]);
    assert_eq!(ids(Filter::default(), Some(a), 10).await, [b]);
    assert_eq!(ids(named("b.example.com"), None, 10).await, [b]);
    assert_eq!(ids(failed, None, 10).await, [b]);
}

#[tokio::test]
async fn advancing_never_goes_backwards() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut conn = rig.conn().await;
    let now = rig.now().await;
    let mut made: Vec<(VersionId, OrderId)> = Vec::new();
    for generation in [1, 2] {
        let order = rig.order(id, generation).await;
        let stored = version::insert_all(&mut conn, &[new_version(&order)])
            .await
            .unwrap();
        made.push((stored[0].0, order.id));
    }
    let advance = |generation: i32| Advance {
        id,
        generation,
        version_id: made[usize::try_from(generation - 1).unwrap()].0,
        order_id: made[usize::try_from(generation - 1).unwrap()].1,
        issuer_id: rig.issuer,
        not_after: now + Duration::days(i64::from(generation) * 10),
        renew_at: now + Duration::days(i64::from(generation)),
    };
    certificate::mark_failed(&mut conn, id, "refused", "no", false)
        .await
        .unwrap();

    advance_all(&mut conn, &[advance(2)]).await.unwrap();
    advance_all(&mut conn, &[advance(1)]).await.unwrap();

    let row = rig.read(id).await;
    assert_eq!(
        (row.generation, row.version_id, row.status),
        (2, Some(made[1].0), CertificateStatus::Issued)
    );
    assert_eq!(row.not_after, Some(now + Duration::days(20)));
    assert_eq!(
        (row.renew_at, row.sweep_at),
        (Some(now + Duration::days(2)), row.renew_at)
    );
    assert_eq!(row.fault, None, "the old fault is forgotten");
}

#[tokio::test]
async fn a_failure_is_noted_by_what_is_left() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut conn = rig.conn().await;
    let set_end = async |end: Option<Duration>| {
        sqlx::query("UPDATE certificate SET status = 'issued', not_after = clock_timestamp() + $1")
            .bind(end.map(|span| sqlx::postgres::types::PgInterval::try_from(span).unwrap()))
            .execute(rig.db.app())
            .await
            .unwrap();
    };

    let first = async |rest| {
        certificate::mark_failed(&mut *rig.conn().await, id, "bad", "why", rest)
            .await
            .unwrap();
        rig.read(id).await
    };
    let row = first(true).await;
    assert_eq!(
        (row.status, row.sweep_at),
        (CertificateStatus::Failed, None)
    );
    assert_eq!(row.fault, Some(("bad".into(), "why".into())));
    let row = first(false).await;
    let wait = row.sweep_at.unwrap() - rig.now().await;
    assert!(
        wait > Duration::minutes(59) && wait <= Duration::hours(1),
        "{wait}"
    );

    let order = rig.order(id, 1).await;
    issue(&mut conn, &order).await;
    for (left, status, wait_s) in [
        (Duration::minutes(4), CertificateStatus::Issued, 60),
        (Duration::seconds(8), CertificateStatus::Issued, 10),
        (Duration::days(30), CertificateStatus::Issued, 3_600),
        (-Duration::minutes(1), CertificateStatus::Failed, 10),
    ] {
        set_end(Some(left)).await;
        let row = first(false).await;
        let wait = (row.sweep_at.unwrap() - rig.now().await).as_seconds_f64();
        assert_eq!(row.status, status, "{left}");
        assert!((wait - f64::from(wait_s)).abs() < 3.0, "{left}: {wait}");
    }
}

#[tokio::test]
async fn only_a_resting_certificate_is_armed() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut conn = rig.conn().await;
    let before = rig.read(id).await.sweep_at;
    certificate::arm(&mut conn, id).await.unwrap();
    assert_eq!(rig.read(id).await.sweep_at, before);
    certificate::mark_failed(&mut conn, id, "cancelled", "", true)
        .await
        .unwrap();

    certificate::arm(&mut conn, id).await.unwrap();

    let wait = rig.read(id).await.sweep_at.unwrap() - rig.now().await;
    assert!(
        wait > Duration::minutes(9) && wait <= Duration::minutes(10),
        "{wait}"
    );
}
