//! Orders as rows: one live order a generation, serials drawn once.

use certmill_domain::order::{OrderPlan, OrderState};
use certmill_store::{Error, order};
use serde_json::json;
use time::Duration;

use crate::rig::*;

#[tokio::test]
async fn a_generation_keeps_its_live_order() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let plan = rig.plan(id, 1).await;
    let mut conn = rig.conn().await;
    assert!(order::standing(&mut conn, id, 1).await.unwrap().is_none());

    order::plan_all(&mut conn, std::slice::from_ref(&plan))
        .await
        .unwrap();
    order::plan_all(&mut conn, &[rig.plan(id, 1).await, rig.plan(id, 2).await])
        .await
        .unwrap();

    let standing = order::standing(&mut conn, id, 1).await.unwrap().unwrap();
    assert_eq!(
        (standing.plan.serial, standing.plan.validity),
        (plan.serial, plan.validity)
    );
    assert_eq!(
        (standing.state, standing.remote),
        (OrderState::Planned, None)
    );
    assert_eq!(
        (standing.plan.team_id, standing.plan.certificate_id),
        (TEAM, id)
    );
    assert!(order::standing(&mut conn, id, 2).await.unwrap().is_some());
}

#[tokio::test]
async fn a_serial_is_drawn_once_an_issuer() {
    let rig = rig().await;
    let a = rig.add("a.example.com").await;
    let b = rig.add("b.example.com").await;
    let first = rig.order(a, 1).await;
    let twin = OrderPlan {
        serial: first.plan.serial,
        ..rig.plan(b, 1).await
    };
    let refused = order::plan_all(&mut *rig.conn().await, &[twin])
        .await
        .unwrap_err();
    assert!(
        refused.is_conflict_on("cert_order_serial_unique"),
        "{refused}"
    );
}

#[tokio::test]
async fn dates_in_the_wrong_order_are_refused() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let mut plan = rig.plan(id, 1).await;
    plan.validity.not_after = plan.validity.not_before;
    let refused = order::plan_all(&mut *rig.conn().await, &[plan])
        .await
        .unwrap_err();
    assert!(refused.is_conflict_on("cert_order_dates"), "{refused}");
}

#[tokio::test]
async fn only_a_planned_order_is_drawn_anew() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let before = rig.order(id, 1).await;
    let mut conn = rig.conn().await;
    let (fresh, mut validity) = (serial(), before.plan.validity);
    validity.not_after += Duration::hours(1);
    let mut plan = before.plan.clone();
    (plan.serial, plan.validity) = (fresh, validity);
    plan.ca_key_id = Some(uuid::Uuid::from_u128(7));

    order::replan(&mut conn, before.id, &plan).await.unwrap();

    let after = order::standing(&mut conn, id, 1).await.unwrap().unwrap();
    assert_eq!(
        (after.id, after.plan.serial, after.plan.validity),
        (before.id, fresh, validity)
    );
    assert_eq!(after.plan.ca_key_id, plan.ca_key_id);
    assert!(after.planned_at > before.planned_at);
    order::store_remote(
        &mut conn,
        before.id,
        OrderState::Submitting,
        &json!({ "url": 1 }),
    )
    .await
    .unwrap();
    plan.serial = serial();
    let late = order::replan(&mut conn, before.id, &plan).await;
    assert!(matches!(late, Err(Error::NotFound)));
    let standing = order::standing(&mut conn, id, 1).await.unwrap().unwrap();
    assert_eq!(
        (standing.plan.serial, standing.state),
        (fresh, OrderState::Submitting)
    );
    assert_eq!(standing.remote, Some(json!({ "url": 1 })));
}

#[tokio::test]
async fn an_order_that_ended_takes_no_state_and_makes_room() {
    let rig = rig().await;
    for (name, state) in [
        ("a.example.com", OrderState::Failed),
        ("b.example.com", OrderState::Abandoned),
    ] {
        let id = rig.add(name).await;
        let first = rig.order(id, 1).await;
        let mut conn = rig.conn().await;

        order::end(&mut conn, id, 1, state, "refused")
            .await
            .unwrap();

        let late = order::store_remote(&mut conn, first.id, OrderState::Pending, &json!({})).await;
        assert!(matches!(late, Err(Error::NotFound)));
        assert!(order::standing(&mut conn, id, 1).await.unwrap().is_none());
        let second = rig.order(id, 1).await;
        assert_ne!(second.id, first.id);
        let ended: (String, String) =
            sqlx::query_as("SELECT state, fault_code FROM cert_order WHERE id = $1")
                .bind(first.id.0)
                .fetch_one(rig.db.app())
                .await
                .unwrap();
        assert_eq!(ended, (state.to_string(), "refused".to_owned()));
    }
}

#[tokio::test]
async fn an_issued_order_stands_and_is_not_ended() {
    let rig = rig().await;
    let id = rig.add("a.example.com").await;
    let first = rig.order(id, 1).await;
    let mut conn = rig.conn().await;

    issue(&mut conn, &first).await;
    order::end(&mut conn, id, 1, OrderState::Abandoned, "cancelled")
        .await
        .unwrap();
    order::plan_all(&mut conn, &[rig.plan(id, 1).await])
        .await
        .unwrap();

    let standing = order::standing(&mut conn, id, 1).await.unwrap().unwrap();
    assert_eq!(
        (standing.id, standing.state),
        (first.id, OrderState::Issued)
    );
}
