//! Rotation of keys: nobody is left behind, nothing is sealed under a key that goes.

use certmill_crypto::seal::{Kek, Keyring, sealed_under};
use certmill_service::certificates;
use certmill_service::keks::{self, Holding};
use certmill_service::{bootstrap, rotation};
use certmill_store::{ca_key, kek};
use std::sync::Arc;
use std::time::Duration;

use crate::rig::*;

fn kek(byte: u8) -> Arc<Kek> {
    Arc::new(Kek::from_bytes([byte; 32]))
}

fn id(byte: u8) -> String {
    kek(byte).id().to_string()
}

async fn holding(rig: &Rig, purpose: &'static str, keks: Vec<Arc<Kek>>) -> Holding {
    let pool = rig.db.app().clone();
    let lease = Duration::from_secs(30);
    Holding::begin(pool, purpose, "worker", "w1", lease, keks)
        .await
        .unwrap()
}

async fn reseal(rig: &Rig, purpose: &str, keys: &Keyring) -> u64 {
    rotation::reseal(rig.db.owner(), purpose, keys, &mut |_, _| {})
        .await
        .unwrap()
}

fn both() -> Keyring {
    Keyring::sealing_with(kek(3).id(), [kek(1), kek(3)]).unwrap()
}

#[tokio::test]
async fn a_key_seals_only_after_every_running_process_has_it() {
    let rig = rig().await;
    let owner = rig.db.owner();
    let mut held = holding(&rig, "ca", vec![kek(1)]).await;

    let refused = rotation::switch(owner, "ca", &id(3)).await;

    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("w1 (worker)")
    );
    assert_eq!(conflict(refused), "kek_not_everywhere");
    assert_eq!(count(&rig, "kek").await, 2, "nothing was registered");
    held.refresh(&[kek(1), kek(3)]).await.unwrap();
    assert_eq!(held.live().snapshot().current().id(), kek(1).id());
    assert!(rotation::switch(owner, "ca", &id(3)).await.unwrap());
    assert!(
        !rotation::switch(owner, "ca", &id(3)).await.unwrap(),
        "a repeat"
    );
    assert_eq!(
        rotation::still_sealing_otherwise(owner, "ca", &id(3))
            .await
            .unwrap(),
        "w1 (worker)"
    );
    held.refresh(&[kek(1), kek(3)]).await.unwrap();
    assert_eq!(held.live().snapshot().current().id(), kek(3).id());
    let nobody = rotation::still_sealing_otherwise(owner, "ca", &id(3)).await;
    assert_eq!(nobody.unwrap(), "");
    assert_eq!(count(&rig, "audit WHERE action = 'kek.rotate'").await, 1);
}

#[tokio::test]
async fn everything_is_sealed_anew_and_then_the_old_key_is_forgotten() {
    let rig = rig().await;
    let owner = rig.db.owner();
    rotation::switch(owner, "ca", &id(3)).await.unwrap();

    assert_eq!(
        conflict(rotation::retire(owner, &id(1)).await),
        "kek_in_use"
    );
    assert_eq!(conflict(rotation::retire(owner, &id(3)).await), "kek_seals");
    assert_eq!(reseal(&rig, "ca", &both()).await, 2);
    assert_eq!(
        reseal(&rig, "ca", &both()).await,
        0,
        "a repeat finds nothing"
    );

    let mut conn = rig.db.app().acquire().await.unwrap();
    for row in ca_key::list(&mut conn).await.unwrap() {
        assert_eq!(row.kek_id, id(3));
        assert_eq!(sealed_under(&row.key_sealed).unwrap().to_string(), id(3));
        let only_new = Keyring::new(Kek::from_bytes([3; 32]), Vec::new());
        bootstrap::open_ca_key(rig.db.app(), &only_new, row.id)
            .await
            .unwrap();
    }
    rotation::retire(owner, &id(1)).await.unwrap();
    assert_eq!(
        kek::known(&mut conn, "ca")
            .await
            .unwrap()
            .iter()
            .map(|one| one.id.clone())
            .collect::<Vec<_>>(),
        [id(3)]
    );
    let late = sqlx::query("UPDATE ca_key SET kek_id = $1")
        .bind(id(1))
        .execute(owner)
        .await;
    assert!(late.is_err(), "nobody seals under a forgotten key");
    let listed = rotation::list(owner).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (listed[0].kek.id.clone(), listed[0].rows.clone()),
        (id(3), vec![("ca_key", 2)])
    );
}

#[tokio::test]
async fn a_process_that_still_seals_with_it_keeps_a_key() {
    let rig = rig().await;
    let owner = rig.db.owner();
    let mut held = holding(&rig, "ca", vec![kek(1), kek(3)]).await;
    rotation::switch(owner, "ca", &id(3)).await.unwrap();
    reseal(&rig, "ca", &both()).await;
    assert_eq!(
        conflict(rotation::retire(owner, &id(1)).await),
        "kek_in_use"
    );
    held.withdraw().await;
    rotation::retire(owner, &id(1)).await.unwrap();
}

#[tokio::test]
async fn keys_of_certificates_open_before_while_and_after() {
    let rig = rig().await;
    run(
        rig.db.app(),
        "UPDATE profile SET key_source = 'sealed' WHERE name = 'default'",
    )
    .await;
    let asks = (0..450).map(|n| certificates::Ask {
        csr_pem: None,
        ..ask(&format!("n{n}.example.com"))
    });
    let accepted = outcomes(&rig, asks.collect()).await.len();
    let listed = certificates::list(&rig.context, &caller(), &Default::default(), None, 1)
        .await
        .unwrap();
    let one = listed[0].certificate.id;
    let pem = || async {
        use secrecy::ExposeSecret as _;
        let key = certificates::key_pem(&rig.context, &caller(), one)
            .await
            .unwrap();
        key.expose_secret().to_owned()
    };
    let before = pem().await;
    let live = rig.context.app_keys.clone().unwrap();
    let ring = |seals: u8| Keyring::sealing_with(kek(seals).id(), [kek(2), kek(4)]).unwrap();
    live.replace(ring(2));
    rotation::switch(rig.db.owner(), "app", &id(4))
        .await
        .unwrap();
    let mut heard = Vec::new();

    let done = rotation::reseal(rig.db.owner(), "app", &ring(4), &mut |table, rows| {
        heard.push((table, rows))
    })
    .await
    .unwrap();

    assert_eq!((accepted, done), (450, 450));
    assert_eq!(
        heard,
        [
            ("certificate", 200),
            ("certificate", 400),
            ("certificate", 450)
        ]
    );
    assert_eq!(pem().await, before);
    live.replace(Keyring::new(Kek::from_bytes([4; 32]), Vec::new()));
    assert_eq!(pem().await, before);
    rotation::retire(rig.db.owner(), &id(2)).await.unwrap();
}

#[tokio::test]
async fn a_row_that_does_not_open_stops_the_sealing_with_its_place() {
    let rig = rig().await;
    rotation::switch(rig.db.owner(), "ca", &id(3))
        .await
        .unwrap();
    let stranger = Keyring::new(Kek::from_bytes([3; 32]), Vec::new());
    let refused = rotation::reseal(rig.db.owner(), "ca", &stranger, &mut |_, _| {}).await;
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("ca_key.key_sealed") && words.contains(&id(1)),
        "{words}"
    );
}

#[tokio::test]
async fn a_file_that_goes_too_early_leaves_the_key_in_memory() {
    let rig = rig().await;
    let mut held = holding(&rig, "ca", vec![kek(1)]).await;
    held.refresh(&[]).await.unwrap();
    held.refresh(&[kek(9)]).await.unwrap();
    let ring = held.live().snapshot();
    assert_eq!(ring.current().id(), kek(1).id());
    assert!(
        ring.holds(kek(9).id()),
        "a further key is held, and reported"
    );
    let again = Holding::begin(
        rig.db.app().clone(),
        "ca",
        "worker",
        "w2",
        Duration::from_secs(30),
        vec![kek(9)],
    )
    .await;
    let words = again.err().unwrap().to_string();
    assert!(words.contains(&id(1)) && words.contains(&id(9)), "{words}");
    assert_eq!(
        count(&rig, "kek_holder").await,
        1,
        "its report is withdrawn"
    );
}

#[tokio::test]
async fn a_start_during_a_rotation_needs_both_keys() {
    let rig = rig().await;
    rotation::switch(rig.db.owner(), "ca", &id(3))
        .await
        .unwrap();
    for loaded in [vec![kek(1)], vec![kek(3)]] {
        let lacking = if loaded[0].id() == kek(1).id() {
            id(3)
        } else {
            id(1)
        };
        let refused = keks::keyring(rig.db.app(), "ca", loaded).await;
        assert!(
            refused
                .err()
                .unwrap()
                .to_string()
                .contains(&format!("key {lacking}"))
        );
    }
    let held = holding(&rig, "ca", vec![kek(1), kek(3)]).await;
    assert_eq!(held.live().snapshot().current().id(), kek(3).id());
}
