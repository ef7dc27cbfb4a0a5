//! Versions: one a generation, chains in their order.

use certmill_domain::ids::VersionId;
use certmill_store::{Error, version};
use uuid::Uuid;

use crate::rig::*;

#[tokio::test]
async fn a_batch_of_versions_comes_back_whole_and_in_order() {
    let rig = rig().await;
    let mut new = Vec::new();
    for name in ["a.example.com", "b.example.com", "c.example.com"] {
        new.push(new_version(&rig.order(rig.add(name).await, 1).await));
    }
    new.reverse();
    new[1].chain_der = Vec::new();
    let mut conn = rig.conn().await;

    let before = rig.now().await;
    let made = version::insert_all(&mut conn, &new).await.unwrap();
    let after = rig.now().await;

    for ((id, issued_at), one) in made.iter().zip(&new) {
        assert!((before..=after).contains(issued_at), "{issued_at}");
        let found = version::by_id(&mut conn, *id).await.unwrap();
        assert_eq!(
            (found.id, found.generation, found.serial),
            (*id, 1, one.serial)
        );
        assert_eq!(
            (found.validity, found.issued_at),
            (one.validity, *issued_at)
        );
        assert_eq!(
            (&found.leaf_der, &found.chain_der),
            (&one.leaf_der, &one.chain_der)
        );
        assert_eq!(found.fingerprint, one.fingerprint);
    }
    let ids: Vec<VersionId> = made.into_iter().map(|(id, _)| id).collect();
    assert_eq!(version::by_ids(&mut conn, &ids).await.unwrap().len(), 3);
    let missing = version::by_id(&mut conn, VersionId(Uuid::nil())).await;
    assert!(matches!(missing, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_second_version_of_a_generation_is_refused() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let first = new_version(&rig.order(id, 1).await);
    let second = new_version(&rig.order(id, 2).await);
    let mut conn = rig.conn().await;
    version::insert_all(&mut conn, std::slice::from_ref(&first))
        .await
        .unwrap();

    let mut twin = second.clone();
    twin.generation = 1;
    let refused = version::insert_all(&mut conn, &[twin]).await.unwrap_err();
    assert!(
        refused.is_conflict_on("version_generation_unique"),
        "{refused}"
    );

    let mut same_serial = second;
    same_serial.serial = first.serial;
    let refused = version::insert_all(&mut conn, &[same_serial])
        .await
        .unwrap_err();
    assert!(refused.is_conflict_on("version_serial_unique"), "{refused}");
}

#[tokio::test]
async fn versions_are_listed_newest_first() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let other = rig.add("b.example.com").await;
    let mut conn = rig.conn().await;
    for (certificate, generation) in [(id, 1), (id, 2), (id, 3), (other, 1)] {
        let order = rig.order(certificate, generation).await;
        version::insert_all(&mut conn, &[new_version(&order)])
            .await
            .unwrap();
    }
    let generations = async |below, limit| {
        let rows = version::list(&mut *rig.conn().await, id, below, limit)
            .await
            .unwrap();
        rows.iter().map(|row| row.generation).collect::<Vec<_>>()
    };
    assert_eq!(generations(None, 2).await, [3, 2]);
    assert_eq!(generations(Some(2), 10).await, [1]);
}
