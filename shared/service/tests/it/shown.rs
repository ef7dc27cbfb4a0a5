//! What a server shows of itself, and what it forgets.

use certmill_service::{cluster, forget_old_idempotency_keys, issuers};

use crate::rig::*;

#[tokio::test]
async fn the_cluster_and_the_issuers_are_shown() {
    let rig = rig().await;
    let me = process(&rig).await;
    let seen = cluster::read(&rig.context).await.unwrap();
    assert_eq!(
        seen.processes.iter().map(|row| row.id).collect::<Vec<_>>(),
        [me]
    );
    assert!(seen.leader.is_some_and(|row| !row.held) && seen.schedules.is_empty());
    let listed = issuers::list(&rig.context, &caller(), None, 10)
        .await
        .unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|row| row.name.as_str())
            .collect::<Vec<_>>(),
        ["local"]
    );
    assert!(
        issuers::list(&rig.context, &stranger(), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn old_idempotency_keys_are_forgotten() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO idempotency_key (principal, route, key, body_sha256, response, created_at) \
         SELECT 'p', 'r', n::text, '', '{}', now() - n * interval '1 minute' FROM generate_series(1, 4000) n",
    )
    .await;
    assert_eq!(
        forget_old_idempotency_keys(rig.db.app()).await.unwrap(),
        4000 - 1439
    );
}
