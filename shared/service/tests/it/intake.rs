//! Asks that share a transaction: each has its own outcome, actor and fate.

use certmill_service::certificates::{Ask, Intake, ItemOutcome, Taken};
use certmill_service::{Caller, Error};
use certmill_tasks::{Shutdown, Tasks};
use futures::future::join_all;

use crate::rig::*;

/// More than one desk takes at once, fewer than one transaction holds.
const MANY: usize = 24;

fn intake(rig: &Rig) -> Intake {
    Intake::new(rig.context.clone(), Tasks::new(Shutdown::new()))
}

fn by(actor: &str) -> Caller {
    Caller {
        actor: actor.into(),
        ..caller()
    }
}

fn is_accepted(answer: &Result<Taken, Error>) -> bool {
    matches!(
        answer.as_ref().map(|taken| &taken.outcome),
        Ok(ItemOutcome::Accepted { .. })
    )
}

/// Each ask of these callers at the same time.
async fn at_once(intake: &Intake, asks: Vec<(Caller, Ask)>) -> Vec<Result<Taken, Error>> {
    join_all(
        asks.into_iter()
            .map(|(caller, ask)| async move { intake.request(&caller, ask).await }),
    )
    .await
}

async fn transactions(rig: &Rig) -> i64 {
    sqlx::query_scalar(
        "SELECT count(DISTINCT xmin::text) FROM certificate WHERE name LIKE '%.many.example'",
    )
    .fetch_one(rig.db.owner())
    .await
    .unwrap()
}

#[tokio::test]
async fn many_share_a_transaction_and_each_is_written_for_its_own_caller() {
    let rig = rig().await;
    let intake = intake(&rig);
    let asks = (0..MANY).map(|n| (by(&format!("key_{n}")), ask(&format!("n{n}.many.example"))));

    let answers = at_once(&intake, asks.collect()).await;

    for (n, answer) in answers.iter().enumerate() {
        let taken = answer.as_ref().unwrap();
        let ItemOutcome::Accepted {
            certificate, job, ..
        } = &taken.outcome
        else {
            panic!("{:?}", taken.outcome)
        };
        let (detail, row) = taken.shown.as_deref().unwrap();
        assert_eq!((detail.certificate.id, row.id), (*certificate, *job));
        let audited: String = sqlx::query_scalar("SELECT actor FROM audit WHERE object = $1")
            .bind(certificate.to_string())
            .fetch_one(rig.db.owner())
            .await
            .unwrap();
        assert_eq!(audited, format!("key_{n}"));
        assert_eq!(detail.certificate.name, format!("n{n}.many.example"));
    }
    let shared = transactions(&rig).await;
    assert!(
        (1..=MANY as i64 / 2).contains(&shared),
        "{MANY} asks took {shared} transactions"
    );
}

#[tokio::test]
async fn of_two_asks_for_one_name_one_is_told_that_it_exists() {
    let rig = rig().await;
    let intake = intake(&rig);
    let asks = (0..4)
        .map(|_| (caller(), ask("twin.many.example")))
        .collect();

    let answers = at_once(&intake, asks).await;

    assert_eq!(answers.iter().filter(|one| is_accepted(one)).count(), 1);
    let exists = answers.iter().flatten().filter(|taken| {
        matches!(taken.outcome, ItemOutcome::Exists { .. }) && taken.shown.is_none()
    });
    assert_eq!(exists.count(), 3);
}

#[tokio::test]
async fn an_ask_that_cannot_be_written_spoils_no_other() {
    let rig = rig().await;
    let intake = intake(&rig);
    let mut asks: Vec<(Caller, Ask)> = (0..MANY)
        .map(|n| (caller(), ask(&format!("n{n}.many.example"))))
        .collect();
    // Postgres holds no NUL in a text, so the audit row of this one is refused.
    asks[MANY / 2].0.actor = "key\0".into();

    let answers = at_once(&intake, asks).await;

    let failed: Vec<usize> = (0..MANY).filter(|&n| !is_accepted(&answers[n])).collect();
    assert_eq!(failed, [MANY / 2]);
    assert!(matches!(answers[MANY / 2], Err(Error::Store(_))));
}

#[tokio::test]
async fn faults_are_told_to_whom_they_belong() {
    let rig = rig().await;
    let intake = intake(&rig);
    let bad = Ask {
        sans: vec!["*.com".into()],
        ..ask("bad.many.example")
    };
    let asks = vec![(caller(), ask("good.many.example")), (caller(), bad)];

    let answers = at_once(&intake, asks).await;

    assert!(is_accepted(&answers[0]));
    let refused = &answers[1].as_ref().unwrap().outcome;
    assert_eq!(faults(refused)[0].0, "/sans/0");
}

#[tokio::test]
async fn whoever_asks_after_a_failure_of_the_database_is_answered() {
    let rig = rig().await;
    let broken = intake(&rig);
    rig.db.app().close().await;
    for round in 0..3 {
        let asks = (0..3).map(|n| (caller(), ask(&format!("r{round}n{n}.many.example"))));
        let answers = at_once(&broken, asks.collect()).await;
        assert!(answers.iter().all(Result::is_err), "{round}: {answers:?}");
    }
}
