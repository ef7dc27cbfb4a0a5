//! A revocation for good meets a renewal that runs: whatever it still brings is revoked too, whichever
//! of them ends first, until a person renews.

use certmill_domain::ids::CertificateId;
use certmill_domain::revocation::RevocationReason;
use certmill_queue::{ClaimedJob, enqueue, finish, read};
use certmill_service::certificates::{self, RevokeAsk, Which};
use certmill_service::effects::issue::Effect as Issued;
use certmill_service::effects::{issue, revoke};

use crate::rig::*;

/// A certificate with one version, and its renewal as a worker holds it.
async fn renewing(rig: &Rig) -> (CertificateId, ClaimedJob, Issued) {
    let (id, _) = request(rig, "shop.example.com").await;
    issue_own_key(rig, id, 1).await;
    certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap();
    let job = claim_one(rig).await;
    (id, job, own_key(rig, id, 2).await)
}

/// What a worker hands in, for the key that the certificate has.
async fn own_key(rig: &Rig, id: CertificateId, generation: i32) -> Issued {
    let mut one = effect(&standing(rig, id, generation).await.unwrap());
    let key = show(rig, id).await.certificate.spki_sha256;
    one.spki_sha256.copy_from_slice(&key);
    one.fingerprint = [u8::try_from(generation).unwrap(); 32];
    one
}

async fn issue_own_key(rig: &Rig, id: CertificateId, generation: i32) {
    let one = own_key(rig, id, generation).await;
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    issue::apply(vec![one], &mut tx).await.unwrap();
    tx.commit().await.unwrap();
    run(rig.db.app(), "DELETE FROM job").await;
}

async fn revoke_current(rig: &Rig, id: CertificateId, reason: RevocationReason) {
    let ask = RevokeAsk {
        which: Which::Current,
        reason,
        note: None,
    };
    certificates::revoke(&rig.context, &caller(), id, &ask, None)
        .await
        .unwrap();
}

/// The renewal's finish: completion under its fence and effect, in one transaction.
async fn finish_renewal(rig: &Rig, job: &ClaimedJob, one: &Issued) {
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    let ended = [(job.lease, &serde_json::Value::Null)];
    let accepted = finish::complete(&mut tx, &ended).await.unwrap();
    assert_eq!(accepted.len(), 1);
    issue::apply(vec![one.clone()], &mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// Works off the revocations that are due; answers how many there were.
async fn work_off(rig: &Rig) -> usize {
    let me = process(rig).await;
    let jobs = claim_from(rig, me, certmill_service::bootstrap::LOCAL_LANE, 10).await;
    for job in &jobs {
        assert_eq!(job.kind, revoke::KIND);
        let effect = revoke::Effect {
            team_id: job.team_id,
            args: serde_json::from_value(job.args.clone()).unwrap(),
        };
        let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
        let ended = [(job.lease, &serde_json::Value::Null)];
        finish::complete(&mut tx, &ended).await.unwrap();
        revoke::apply(vec![effect], &mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    jobs.len()
}

async fn assert_at_rest(rig: &Rig, id: CertificateId, reason: RevocationReason) {
    let number = reason.number();
    let told = format!("version WHERE revocation_reason = {number}");
    assert_eq!(count(rig, &told).await, 2, "both versions are revoked");
    assert_eq!(count(rig, "version").await, 2);
    let row = show(rig, id).await.certificate;
    assert_eq!((row.sweep_at, row.renew_at), (None, None));
    assert!(row.fault.is_some(), "it says why it rests");
    assert_eq!(count(rig, "job WHERE kind IN ('issue', 'revoke')").await, 0);
}

const FOR_GOOD: [RevocationReason; 2] = [
    RevocationReason::CessationOfOperation,
    RevocationReason::KeyCompromise,
];

#[tokio::test]
async fn what_a_running_renewal_brings_after_the_revocation_is_revoked() {
    for reason in FOR_GOOD {
        let rig = rig().await;
        let (id, job, one) = renewing(&rig).await;
        revoke_current(&rig, id, reason).await;
        assert_eq!(work_off(&rig).await, 1);

        finish_renewal(&rig, &job, &one).await;

        assert_eq!(work_off(&rig).await, 1, "{reason}: the new version's");
        assert_at_rest(&rig, id, reason).await;
    }
}

#[tokio::test]
async fn what_a_running_renewal_brings_before_the_revocation_is_revoked() {
    for reason in FOR_GOOD {
        let rig = rig().await;
        let (id, job, one) = renewing(&rig).await;
        revoke_current(&rig, id, reason).await;

        finish_renewal(&rig, &job, &one).await;

        assert_eq!(work_off(&rig).await, 2, "{reason}");
        assert_at_rest(&rig, id, reason).await;
    }
}

#[tokio::test]
async fn a_finish_that_has_begun_is_waited_for_and_its_version_revoked() {
    let rig = rig().await;
    let (id, job, one) = renewing(&rig).await;
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    let ended = [(job.lease, &serde_json::Value::Null)];
    finish::complete(&mut tx, &ended).await.unwrap();

    let reason = RevocationReason::PrivilegeWithdrawn;
    tokio::join!(revoke_current(&rig, id, reason), async {
        until_somebody_is_blocked(&rig).await;
        issue::apply(vec![one.clone()], &mut tx).await.unwrap();
        tx.commit().await.unwrap();
    });

    assert_eq!(work_off(&rig).await, 1);
    let current = show(&rig, id).await.version.unwrap();
    assert_eq!(current.generation, 2);
    assert_eq!(
        current.revoked.unwrap().1,
        reason,
        "the current one is meant"
    );
}

#[tokio::test]
async fn who_renews_after_the_revocation_gets_what_the_running_job_brings() {
    let rig = rig().await;
    let (id, job, one) = renewing(&rig).await;
    revoke_current(&rig, id, RevocationReason::CessationOfOperation).await;
    work_off(&rig).await;

    let renewal = certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap();
    assert!(renewal.value.already_running);
    let mut conn = rig.db.app().acquire().await.unwrap();
    let row = read::by_id(&mut conn, renewal.value.job)
        .await
        .unwrap()
        .unwrap();
    assert!(!row.cancel_requested, "the wish to stop is taken back");
    finish_renewal(&rig, &job, &one).await;

    assert_eq!(work_off(&rig).await, 0);
    let seen = show(&rig, id).await;
    assert!(seen.version.unwrap().revoked.is_none());
    assert!(seen.certificate.sweep_at.is_some());
    assert_eq!(seen.certificate.fault, None);
}

#[tokio::test]
async fn an_older_version_is_revoked_without_touching_the_renewal() {
    let rig = rig().await;
    let (id, job, one) = renewing(&rig).await;
    let older = show(&rig, id).await.version.unwrap().id;
    finish_renewal(&rig, &job, &one).await;
    certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap();
    let ask = RevokeAsk {
        which: Which::One(older),
        reason: RevocationReason::CessationOfOperation,
        note: None,
    };

    certificates::revoke(&rig.context, &caller(), id, &ask, None)
        .await
        .unwrap();

    assert_eq!(
        count(&rig, "job WHERE kind = 'issue' AND NOT cancel_requested").await,
        1
    );
    assert_eq!(
        count(&rig, "certificate WHERE stop_reason IS NULL").await,
        1
    );
}

#[tokio::test]
async fn no_sweep_renews_what_is_to_end() {
    let rig = rig().await;
    let (id, _) = request(&rig, "shop.example.com").await;
    issue_own_key(&rig, id, 1).await;
    revoke_current(&rig, id, RevocationReason::CessationOfOperation).await;
    run(rig.db.app(), "UPDATE certificate SET sweep_at = now()").await;
    let mut conn = rig.db.app().acquire().await.unwrap();
    let lane = certmill_domain::schedule::LANE;
    let job = certmill_queue::NewJob::new(
        certmill_queue::TeamId(1),
        lane,
        "renewal_sweep",
        serde_json::json!({}),
    );
    enqueue(&mut conn, &job).await.unwrap();
    let sweeper = claim_from(&rig, process(&rig).await, lane, 1)
        .await
        .remove(0);

    let hinter = certmill_queue::Hinter::none();
    let done = certmill_service::sweep::step(rig.db.app(), &sweeper.lease, &hinter)
        .await
        .unwrap();

    assert_eq!((done.taken, done.enqueued), (0, 0));
}
