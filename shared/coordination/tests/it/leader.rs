//! Terms: one winner, rising epochs, no way back for the superseded.

use std::time::{Duration, Instant};

use certmill_coordination::leader::{acquire, current, prune_terms, renew, resign, terms};
use sqlx::Connection;

use crate::rig::*;

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_contenders_one_wins_and_epochs_rise() {
    let db = certmill_testkit::TestDb::new().await;
    for round in 1..=3 {
        let contenders: Vec<_> = (0..6).map(|n| candidate(&n.to_string(), LEASE)).collect();
        let answers = futures_of(&db, &contenders).await;
        let winners: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(winners[0].epoch(), round);
        expire(&db).await;
    }
}

async fn futures_of(
    db: &certmill_testkit::TestDb,
    contenders: &[certmill_coordination::Candidate],
) -> Vec<Option<certmill_coordination::Term>> {
    let [a, b, c, d, e, f] = contenders else {
        panic!("six")
    };
    let go = |candidate| async move { acquire(db.app(), candidate).await.unwrap() };
    let all = tokio::join!(go(a), go(b), go(c), go(d), go(e), go(f));
    vec![all.0, all.1, all.2, all.3, all.4, all.5]
}

#[tokio::test]
async fn a_contender_that_meets_another_half_way_does_not_wait() {
    let db = certmill_testkit::TestDb::new().await;
    let mut session = db.session().await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query(
        "UPDATE leader SET epoch = epoch + 1, holder = gen_random_uuid(), \
                 expires_at = now() + interval '30 s'",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    let began = Instant::now();
    assert!(
        acquire(db.app(), &candidate("b", LEASE))
            .await
            .unwrap()
            .is_none()
    );
    assert!(began.elapsed() < Duration::from_secs(2));
    tx.rollback().await.unwrap();
    assert_eq!(
        acquire(db.app(), &candidate("b", LEASE))
            .await
            .unwrap()
            .unwrap()
            .epoch(),
        1
    );
}

#[tokio::test]
async fn a_superseded_term_cannot_be_renewed_or_resigned() {
    let db = certmill_testkit::TestDb::new().await;
    let old = term(&db).await;
    assert!(renew(db.app(), &old).await.unwrap());
    expire(&db).await;
    let new = term(&db).await;
    assert_eq!((old.epoch(), new.epoch()), (1, 2));
    assert!(old.is_held(), "it does not know yet");
    assert!(!renew(db.app(), &old).await.unwrap());
    assert!(!old.is_held());
    assert!(!resign(db.app(), &old).await.unwrap());
    let row = current(db.app(), "scheduler").await.unwrap().unwrap();
    assert!(row.held && row.holder == Some(new.holder()) && row.epoch == 2);
}

#[tokio::test]
async fn the_same_epoch_of_another_holder_is_another_term() {
    let db = certmill_testkit::TestDb::new().await;
    let term = term(&db).await;
    // As after a failover that lost our acquisition and let somebody else repeat the number.
    sqlx::query("UPDATE leader SET holder = gen_random_uuid()")
        .execute(db.app())
        .await
        .unwrap();
    assert!(!renew(db.app(), &term).await.unwrap());
}

#[tokio::test]
async fn an_expired_holder_steps_down_by_its_own_clock() {
    let db = certmill_testkit::TestDb::new().await;
    let short = candidate("a", Duration::from_millis(300));
    let term = acquire(db.app(), &short).await.unwrap().unwrap();
    assert!(term.is_held());
    tokio::time::timeout(PATIENCE, term.ended()).await.unwrap();
    assert!(!term.is_held());
    assert!(!renew(db.app(), &term).await.unwrap(), "nothing revives it");
    until(|| async {
        acquire(db.app(), &candidate("b", LEASE))
            .await
            .unwrap()
            .is_some()
    })
    .await;
}

#[tokio::test]
async fn resigning_hands_over_at_once() {
    let db = certmill_testkit::TestDb::new().await;
    let old = term(&db).await;
    assert!(resign(db.app(), &old).await.unwrap());
    assert!(!old.is_held());
    assert_eq!(term(&db).await.epoch(), 2);
}

#[tokio::test]
async fn terms_say_how_the_one_before_ended_and_for_how_long_nobody_led() {
    let db = certmill_testkit::TestDb::new().await;
    let first = term(&db).await;
    assert!(resign(db.app(), &first).await.unwrap());
    let second = term(&db).await;
    renew(db.app(), &second).await.unwrap();
    // As if its last renewal had been long ago.
    sqlx::query("UPDATE leader SET renewed_at = now() - interval '40 s', expires_at = now() - interval '10 s'")
        .execute(db.owner())
        .await
        .unwrap();
    term(&db).await;
    let told = terms(db.app(), "scheduler", 10).await.unwrap();
    let after: Vec<_> = told.iter().map(|one| one.after.as_deref()).collect();
    assert_eq!(after, [Some("lapsed"), Some("resigned"), None]);
    assert_eq!(
        told.iter().map(|one| one.epoch).collect::<Vec<_>>(),
        [3, 2, 1]
    );
    let vacant = |nth: usize| told[nth].vacant.unwrap();
    assert!((40..60).contains(&vacant(0).as_secs()), "{:?}", vacant(0));
    assert!(vacant(1) < Duration::from_secs(20), "{:?}", vacant(1));
    assert_eq!(told[2].vacant, None);

    assert_eq!(prune_terms(db.app(), 1).await.unwrap(), 2);
    let left = terms(db.app(), "scheduler", 10).await.unwrap();
    assert_eq!(left.iter().map(|one| one.epoch).collect::<Vec<_>>(), [3]);
}
