//! What a server shows of itself.

use certmill_service::{cluster, issuers};

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
