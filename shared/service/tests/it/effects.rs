//! What a finished issuance writes: a set at a time, once.

use certmill_domain::certificate::CertificateStatus;
use certmill_domain::order::OrderState;
use certmill_domain::renewal::{RenewalRule, renew_at};
use certmill_domain::schedule::LANE;
use certmill_queue::{BoxError, Effects as _, Finished, Hinter, NewJob, TeamId, enqueue, finish};
use certmill_service::effects::issue::{Effect, apply};
use certmill_service::effects::{Registry, issue};
use certmill_service::{certificates, sweep};
use time::Duration;

use crate::rig::*;

async fn orders(rig: &Rig, names: &[&str]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for name in names {
        let (id, _) = request(rig, name).await;
        effects.push(effect(&standing(rig, id, 1).await.unwrap()));
    }
    effects
}

async fn commit(rig: &Rig, effects: Vec<Effect>) -> Result<(), certmill_service::Error> {
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    apply(effects, &mut tx).await?;
    tx.commit().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn a_batch_is_applied_as_a_set() {
    let rig = rig().await;
    let mut effects = orders(&rig, &["c.example.com", "a.example.com", "b.example.com"]).await;
    effects[1].renew_fraction = None;
    effects[1].renew_before_s = Some(86_400);

    commit(&rig, effects.clone()).await.unwrap();

    for one in &effects {
        let seen = show(&rig, one.certificate_id).await;
        let version = seen.version.unwrap();
        let row = seen.certificate;
        assert_eq!(
            (row.status, row.generation, row.version_id),
            (CertificateStatus::Issued, 1, Some(version.id))
        );
        assert_eq!(version.serial.as_bytes(), &one.serial);
        assert_eq!(
            (version.leaf_der, version.chain_der),
            (vec![0x30, 1], vec![vec![0x30, 2]])
        );
        assert_eq!(row.not_after, Some(one.not_after));
        let rule = match one.renew_before_s {
            Some(seconds) => RenewalRule::Before(Duration::seconds(seconds)),
            None => RenewalRule::Fraction(0.5),
        };
        let want = renew_at(
            rule,
            version.validity,
            version.issued_at,
            row.id,
            version.serial,
        );
        let stored = row.renew_at.unwrap();
        assert!(
            (stored - want).abs() < Duration::milliseconds(1),
            "{stored} is domain's {want}"
        );
        assert_eq!(row.sweep_at, row.renew_at);
        assert_eq!(
            standing(&rig, row.id, 1).await.unwrap().state,
            OrderState::Issued
        );
        for written in [
            "event WHERE code = 'issued'",
            "audit WHERE action = 'certificate.issue'",
        ] {
            assert_eq!(
                count(&rig, &format!("{written} AND object = '{}'", row.id)).await,
                1
            );
        }
    }
    assert_eq!(count(&rig, "issuer WHERE last_ok_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_second_application_is_refused_and_changes_nothing() {
    let rig = rig().await;
    let effects = orders(&rig, &["a.example.com", "b.example.com"]).await;
    commit(&rig, effects[..1].to_vec()).await.unwrap();
    let before = show(&rig, effects[0].certificate_id).await.version.unwrap();

    let again = commit(&rig, effects.clone()).await;

    let Err(certmill_service::Error::Store(refused)) = again else {
        panic!("{again:?}")
    };
    assert!(
        refused.is_conflict_on("version_generation_unique"),
        "{refused}"
    );
    assert_eq!(
        show(&rig, effects[0].certificate_id)
            .await
            .version
            .unwrap()
            .id,
        before.id
    );
    assert_eq!(
        count(&rig, "version").await,
        1,
        "the neighbour is rolled back with it"
    );
}

#[tokio::test]
async fn the_registry_reads_effects_and_refuses_unknown_kinds() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    let job = claim_one(&rig).await;
    let order = standing(&rig, id, 1).await.unwrap();
    let finished = |kind: &str, effect| Finished {
        lease: job.lease,
        kind: kind.into(),
        team_id: job.team_id,
        attempt: 1,
        effect,
        result: serde_json::Value::Null,
    };
    let apply = async |one: Finished| -> Result<(), BoxError> {
        let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
        Registry.apply(&mut tx, &[&one]).await?;
        tx.commit().await?;
        Ok(())
    };

    apply(finished(issue::KIND, serde_json::Value::Null))
        .await
        .expect("done already: writes nothing");
    assert_eq!(count(&rig, "version").await, 0);
    apply(finished("renewal_sweep", serde_json::Value::Null))
        .await
        .unwrap();
    assert!(
        apply(finished("from_the_future", serde_json::Value::Null))
            .await
            .is_err()
    );
    assert!(
        apply(finished(issue::KIND, serde_json::json!({ "odd": 1 })))
            .await
            .is_err()
    );
    apply(finished(
        issue::KIND,
        serde_json::to_value(effect(&order)).unwrap(),
    ))
    .await
    .unwrap();

    let pem = certificates::chain_pem(&rig.context, &caller(), id)
        .await
        .unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    let versions = certificates::versions(&rig.context, &caller(), id, None, 10)
        .await
        .unwrap();
    assert_eq!(versions.len(), 1);
}

/// A finish that has completed the job and has not written its effect yet.
async fn half_finished(rig: &Rig) -> (Effect, certmill_pg::Tx) {
    let (id, _) = request(rig, "a.example.com").await;
    let job = claim_one(rig).await;
    let order = standing(rig, id, 1).await.unwrap();
    run(rig.db.app(), "UPDATE certificate SET sweep_at = now()").await;
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    let ended = [(job.lease, &serde_json::Value::Null)];
    let accepted = finish::complete(&mut tx, &ended).await.unwrap();
    assert_eq!(accepted.len(), 1);
    (effect(&order), tx)
}

#[tokio::test]
async fn a_sweep_beside_a_finish_waits_for_nothing() {
    let rig = rig().await;
    let (one, mut tx) = half_finished(&rig).await;
    let mut conn = rig.db.app().acquire().await.unwrap();
    let job = NewJob::new(TeamId(1), LANE, "renewal_sweep", serde_json::json!({}));
    enqueue(&mut conn, &job).await.unwrap();
    let sweeper = claim_from(&rig, process(&rig).await, LANE, 1)
        .await
        .remove(0);

    let hinter = Hinter::none();
    let step = sweep::step(rig.db.app(), &sweeper.lease, &hinter);
    let done = tokio::time::timeout(PATIENCE, step)
        .await
        .expect("it does not wait for the job's key")
        .unwrap();
    apply(vec![one.clone()], &mut tx).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!((done.taken, done.enqueued), (1, 0));
    assert_eq!(
        show(&rig, one.certificate_id).await.certificate.generation,
        1
    );
    assert_eq!(count(&rig, "job WHERE kind = 'issue'").await, 0);
}

#[tokio::test]
async fn a_renewal_beside_a_finish_waits_for_it_and_asks_for_the_next_generation() {
    let rig = rig().await;
    let (one, mut tx) = half_finished(&rig).await;
    let id = one.certificate_id;
    let who = caller();

    let (renewed, ()) = tokio::join!(certificates::renew(&rig.context, &who, id, None), async {
        until_somebody_is_blocked(&rig).await;
        apply(vec![one.clone()], &mut tx).await.unwrap();
        tx.commit().await.unwrap();
    });

    let renewal = renewed.unwrap().value;
    assert_eq!((renewal.generation, renewal.already_running), (2, false));
    assert!(standing(&rig, id, 2).await.is_some());
}
