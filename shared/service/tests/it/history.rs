//! What is found, told and settled of an acknowledged change that is gone.

use certmill_domain::ids::CutId;
use certmill_pg::{ConnectOptions, Moved, Pool, connect};
use certmill_service::history::{self, Witness};
use certmill_service::{Context, Error};

use crate::rig::{Rig, caller, count, issue, request, rig, run, stranger};

/// A rig whose pool has a history.
async fn with_history() -> Rig {
    let rig = rig().await;
    let options = ConnectOptions {
        with_history: true,
        ..ConnectOptions::new("test").max_connections(4)
    };
    let pool = connect(&rig.db.app_url(), options).await.unwrap();
    Rig {
        context: Context {
            pool,
            ..rig.context
        },
        db: rig.db,
    }
}

fn witness() -> Witness {
    Witness {
        process: "api-1".to_owned(),
        role: "api",
    }
}

/// The same place on the next timeline.
async fn promoted(pool: &Pool) -> Moved {
    let history = pool.history().unwrap();
    history.look_again(pool).await.unwrap();
    let (from, remembered) = history.known().unwrap();
    let mut to = from;
    to.timeline = from.timeline.map(|timeline| timeline + 1);
    Moved {
        from,
        to,
        remembered,
    }
}

#[tokio::test]
async fn a_lost_request_is_told_and_one_that_is_there_is_not() {
    let rig = with_history().await;
    request(&rig, "kept.example.com").await;
    let (lost, _) = request(&rig, "lost.example.com").await;
    run(
        rig.db.owner(),
        &format!("DELETE FROM audit WHERE object = '{lost}'"),
    )
    .await;
    let moved = promoted(&rig.context.pool).await;
    let found = history::look_into(&rig.context.pool, &witness(), &moved)
        .await
        .unwrap();
    let objects: Vec<_> = found.iter().map(|one| one.object.clone()).collect();
    assert_eq!(objects, [lost.to_string()]);

    let told = history::losses(&rig.context, &caller()).await.unwrap();
    assert_eq!(told.cuts.len(), 1);
    let cut = &told.cuts[0];
    assert_eq!((cut.lost, cut.process.as_str()), (1, "api-1"));
    assert_eq!(cut.remembered, 2);
    assert_eq!(told.unsettled.len(), 1);
    let one = &told.unsettled[0];
    assert_eq!(
        (one.action.as_str(), one.healed),
        ("certificate.request", false)
    );
    assert_eq!(one.actor, "key_test");
    let foreign = history::losses(&rig.context, &stranger()).await.unwrap();
    assert!(foreign.unsettled.is_empty(), "another team's");

    let me = caller();
    let settle = |cut| history::settle(&rig.context, &me, cut, Some("asked for again"));
    assert!(matches!(settle(CutId(999)).await, Err(Error::NotFound(_))));
    assert_eq!(settle(CutId(cut.id)).await.unwrap(), 1);
    assert_eq!(settle(CutId(cut.id)).await.unwrap(), 0, "once");
    let told = history::losses(&rig.context, &caller()).await.unwrap();
    assert!(told.unsettled.is_empty());
    assert_eq!(
        count(&rig, "audit WHERE action = 'history.settle'").await,
        1
    );
}

#[tokio::test]
async fn a_later_version_heals_and_a_whole_history_is_told_by_the_move_alone() {
    let rig = with_history().await;
    let (id, _) = request(&rig, "healed.example.com").await;
    let moved = promoted(&rig.context.pool).await;
    let whole = history::look_into(&rig.context.pool, &witness(), &moved).await;
    assert!(whole.unwrap().is_empty());
    let stayed = Moved {
        to: moved.from,
        ..moved.clone()
    };
    history::look_into(&rig.context.pool, &witness(), &stayed)
        .await
        .unwrap();
    assert_eq!(count(&rig, "history_cut").await, 1, "a restart is no cut");

    let forget = "DELETE FROM audit WHERE action = 'certificate.request'";
    run(rig.db.owner(), forget).await;
    history::look_into(&rig.context.pool, &witness(), &stayed)
        .await
        .unwrap();
    issue(&rig, id, 1).await;
    let told = history::losses(&rig.context, &caller()).await.unwrap();
    assert_eq!(told.cuts.len(), 2, "a loss is told without a move as well");
    assert!(told.unsettled[0].healed);
}
