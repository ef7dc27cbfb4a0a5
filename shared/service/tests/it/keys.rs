//! API keys, and what a server shows of itself.

use certmill_crypto::token::ApiKey;
use certmill_service::{Role, admin_key, cluster, forget_old_idempotency_keys, issuers};
use certmill_store::Error as Store;

use crate::rig::*;

#[tokio::test]
async fn a_registered_key_opens_the_door_and_no_other_does() {
    let rig = rig().await;
    let (key, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());

    admin_key::register_admin(rig.db.app(), &key, "first")
        .await
        .unwrap();

    assert!(admin_key::is_known(rig.db.app(), &key).await.unwrap());
    assert!(!admin_key::is_known(rig.db.app(), &other).await.unwrap());
    let caller = admin_key::authenticate(rig.db.app(), key.expose())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(caller.role, Role::Admin);
    assert!(caller.actor.starts_with("key_"));
    for wrong in [other.expose(), "", "x"] {
        assert!(
            admin_key::authenticate(rig.db.app(), wrong)
                .await
                .unwrap()
                .is_none()
        );
    }
    run(rig.db.app(), "UPDATE api_key SET revoked_at = now()").await;
    assert!(
        admin_key::authenticate(rig.db.app(), key.expose())
            .await
            .unwrap()
            .is_none()
    );
    let twin = admin_key::register_admin(rig.db.app(), &key, "again")
        .await
        .unwrap_err();
    assert!(
        matches!(&twin, certmill_service::Error::Store(Store::Conflict(name)) if name == "api_key_prefix_unique"),
        "{twin}"
    );
}

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
