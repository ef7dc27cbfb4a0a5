//! The first admin's key: from the disk, or through the door that closes behind it.

use certmill_crypto::token::ApiKey;
use certmill_service::keys::{self, FirstAsk, Standing, door_is_open};
use certmill_service::{Error, Role};
use certmill_store::Error as Store;

use crate::keys::{add, admin, audited, code, principal};
use crate::rig::*;

#[tokio::test]
async fn a_key_on_disk_is_registered_once_and_never_brought_back() {
    let rig = rig().await;
    let pool = rig.db.app();
    let key = ApiKey::generate().unwrap();
    assert!(door_is_open(pool).await.unwrap());
    assert_eq!(keys::standing(pool, &key).await.unwrap(), Standing::Unknown);
    keys::register_first(pool, &key, "admin-of-host")
        .await
        .unwrap();
    assert_eq!(keys::standing(pool, &key).await.unwrap(), Standing::Valid);
    assert!(!door_is_open(pool).await.unwrap());
    let who = principal(&rig, key.expose()).await.unwrap();
    assert_eq!(who.caller.role, Role::Admin);
    add(&rig, Role::Admin).await;
    keys::revoke(&rig.context, &admin(), who.key, None)
        .await
        .unwrap();
    assert_eq!(keys::standing(pool, &key).await.unwrap(), Standing::Ended);
    let twin = keys::register_first(pool, &key, "again").await.unwrap_err();
    assert!(
        matches!(&twin, Error::Store(Store::Conflict(name)) if name == "api_key_prefix_unique"),
        "{twin}"
    );
}

pub async fn come_in(rig: &Rig, key: Option<ApiKey>) -> Result<keys::First, Error> {
    let name = "first-admin".to_owned();
    keys::bootstrap(&rig.context, None, FirstAsk { name, key }).await
}

#[tokio::test]
async fn one_of_many_comes_in_first_and_the_door_stays_closed() {
    let rig = rig().await;
    let all = futures::future::join_all((0..8).map(|_| come_in(&rig, None))).await;
    let (through, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!(through.len(), 1);
    for error in refused {
        assert_eq!(code(&error.err().unwrap()), "bootstrap_closed");
    }
    let first = through.into_iter().next().unwrap().unwrap();
    let who = principal(&rig, first.secret.unwrap().expose())
        .await
        .unwrap();
    assert_eq!(who.caller.role, Role::Admin);
    assert_eq!(audited(&rig, "key.bootstrap").await, 1);
    // Even when no admin is left.
    run(rig.db.owner(), "UPDATE api_key SET revoked_at = now()").await;
    assert_eq!(
        code(&come_in(&rig, None).await.err().unwrap()),
        "bootstrap_closed"
    );
    assert!(!door_is_open(rig.db.app()).await.unwrap());
}

#[tokio::test]
async fn whoever_brought_its_own_key_may_ask_again() {
    let rig = rig().await;
    let key = ApiKey::generate().unwrap();
    let own = || ApiKey::parse(key.expose()).ok();
    let first = come_in(&rig, own()).await.unwrap();
    assert!(first.secret.is_none() && principal(&rig, key.expose()).await.is_some());
    let again = come_in(&rig, own()).await.unwrap();
    assert_eq!(again.key, first.key);
    let stranger = come_in(&rig, ApiKey::generate().ok()).await;
    assert_eq!(code(&stranger.err().unwrap()), "bootstrap_closed");
    add(&rig, Role::Admin).await;
    keys::revoke(&rig.context, &admin(), first.key.id, None)
        .await
        .unwrap();
    assert_eq!(
        code(&come_in(&rig, own()).await.err().unwrap()),
        "bootstrap_closed"
    );
}

#[tokio::test]
async fn an_admin_made_by_an_older_replica_closes_the_door() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "INSERT INTO api_key (team_id, name, role, prefix, secret_sha256) \
         VALUES (1, 'old', 'admin', 'prefix01', '')",
    )
    .await;
    assert_eq!(
        code(&come_in(&rig, None).await.err().unwrap()),
        "bootstrap_closed"
    );
    run(rig.db.owner(), "DELETE FROM api_key").await;
    assert_eq!(
        code(&come_in(&rig, None).await.err().unwrap()),
        "bootstrap_closed"
    );
}
