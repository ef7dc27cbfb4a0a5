//! Keys as rows: found by prefix in every state, ended, listed; the door of the first admin.

use std::time::Duration as Span;

use certmill_domain::api_key::KeyState;
use certmill_domain::ids::{ApiKeyId, TeamId};
use certmill_store::api_key::{self, ApiKey, NewApiKey};
use certmill_store::{Error, bootstrap_door};
use certmill_testkit::TestDb;
use sqlx::PgConnection;
use time::Duration;
use uuid::Uuid;

use crate::rig::*;

fn new(name: &'static str, role: &'static str, prefix: &'static str) -> NewApiKey<'static> {
    NewApiKey {
        team_id: TEAM,
        name,
        role,
        prefix,
        secret_sha256: &[5; 32],
        life: None,
        created_by: "key_test",
        replaces: None,
    }
}

async fn add(conn: &mut PgConnection, role: &'static str, prefix: &'static str) -> ApiKey {
    api_key::insert(conn, &new("ops", role, prefix))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_is_found_by_its_prefix_in_every_state() {
    let db = TestDb::new().await;
    let mut conn = db.app().acquire().await.unwrap();
    assert!(!api_key::admin_exists(&mut conn, TEAM).await.unwrap());
    let made = add(&mut conn, "admin", "prefix01").await;
    assert!(api_key::admin_exists(&mut conn, TEAM).await.unwrap());
    assert!(!api_key::admin_exists(&mut conn, STRANGERS).await.unwrap());
    assert_eq!(made.created_by.as_deref(), Some("key_test"));

    let look = async |conn: &mut PgConnection| {
        api_key::credential(conn, "prefix01")
            .await
            .unwrap()
            .unwrap()
    };
    let found = look(&mut conn).await;
    assert_eq!(
        (found.id, found.team_id, found.role.as_str(), found.state),
        (made.id, TEAM, "admin", KeyState::Valid)
    );
    assert_eq!(
        (found.secret_sha256.as_slice(), found.left),
        (&[5; 32][..], None)
    );

    let ending = api_key::end_within(&mut conn, made.id, Duration::MINUTE)
        .await
        .unwrap();
    let left = look(&mut conn).await.left.unwrap();
    assert!(left > Span::from_secs(50) && left <= Span::from_secs(60));
    let later = api_key::end_within(&mut conn, made.id, Duration::HOUR).await;
    assert_eq!(later.unwrap().expires_at, ending.expires_at);
    let over = api_key::end_within(&mut conn, made.id, Duration::ZERO).await;
    assert_eq!(over.unwrap().state, KeyState::Expired);
    let found = look(&mut conn).await;
    assert_eq!(
        (found.state, found.left),
        (KeyState::Expired, Some(Span::ZERO))
    );

    api_key::revoke(&mut conn, made.id, "key_me", None)
        .await
        .unwrap();
    assert_eq!(look(&mut conn).await.state, KeyState::Revoked);
    assert!(
        api_key::credential(&mut conn, "prefix99")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn prefixes_are_unique_and_roles_known() {
    let db = TestDb::new().await;
    let mut conn = db.app().acquire().await.unwrap();
    add(&mut conn, "viewer", "prefix01").await;
    let twin = api_key::insert(&mut conn, &new("x", "viewer", "prefix01")).await;
    assert!(twin.unwrap_err().is_conflict_on("api_key_prefix_unique"));
    let king = api_key::insert(&mut conn, &new("x", "king", "prefix02")).await;
    assert!(king.unwrap_err().is_conflict_on("api_key_role_known"));
}

#[tokio::test]
async fn a_row_of_the_previous_release_is_read() {
    let db = TestDb::new().await;
    sqlx::query(
        "INSERT INTO api_key (team_id, name, role, prefix, secret_sha256)
         VALUES (1, 'admin of h', 'admin', 'prefix01', '')",
    )
    .execute(db.app())
    .await
    .unwrap();
    let mut conn = db.app().acquire().await.unwrap();
    let listed = api_key::list(&mut conn, TEAM, &[], &[], None, 10).await;
    let listed = listed.unwrap();
    assert_eq!((listed.len(), &listed[0].created_by), (1, &None));
}

#[tokio::test]
async fn a_first_end_stays_and_strangers_see_nothing() {
    let db = TestDb::new().await;
    let mut conn = db.app().acquire().await.unwrap();
    let key = add(&mut conn, "operator", "prefix01").await;
    let ended = api_key::revoke(&mut conn, key.id, "key_me", None)
        .await
        .unwrap();
    assert_eq!(
        (ended.state, ended.revoked_by.as_deref()),
        (KeyState::Revoked, Some("key_me"))
    );
    let again = api_key::revoke(&mut conn, key.id, "key_you", None).await;
    assert!(matches!(again, Err(Error::NotFound)));
    let seen = api_key::by_id(&mut conn, TEAM, key.id).await.unwrap();
    assert_eq!(seen, ended);
    assert_eq!(api_key::lock(&mut conn, TEAM, key.id).await.unwrap(), ended);
    for (team, id) in [(STRANGERS, key.id), (TEAM, ApiKeyId(Uuid::nil()))] {
        let unseen = api_key::by_id(&mut conn, team, id).await;
        assert!(matches!(unseen, Err(Error::NotFound)));
        let unseen = api_key::lock(&mut conn, team, id).await;
        assert!(matches!(unseen, Err(Error::NotFound)));
    }
}

/// Ids of one millisecond come in any order.
fn in_order<const N: usize>(mut ids: [ApiKeyId; N]) -> [ApiKeyId; N] {
    ids.sort_by_key(|id| id.0);
    ids
}

#[tokio::test]
async fn keys_are_listed_by_name_and_state() {
    let db = TestDb::new().await;
    let mut conn = db.app().acquire().await.unwrap();
    let first = add(&mut conn, "viewer", "prefix01").await;
    let second = add(&mut conn, "admin", "prefix02").await;
    let other = NewApiKey {
        replaces: Some(first.id),
        life: Some(Duration::HOUR),
        ..new("ci", "viewer", "prefix03")
    };
    let third = api_key::insert(&mut conn, &other).await.unwrap();
    assert_eq!(third.expires_at.unwrap() - third.created_at, Duration::HOUR);
    assert_eq!(
        api_key::successor(&mut conn, first.id).await.unwrap(),
        Some(third.id)
    );
    assert_eq!(api_key::successor(&mut conn, third.id).await.unwrap(), None);
    api_key::revoke(&mut conn, second.id, "k", None)
        .await
        .unwrap();
    let mut ids = async |team: TeamId, names: &[&str], states: &[KeyState], after, limit| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let rows = api_key::list(&mut conn, team, &names, states, after, limit).await;
        rows.unwrap().iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let all = in_order([first.id, second.id, third.id]);
    assert_eq!(ids(TEAM, &[], &[], None, 10).await, all);
    assert_eq!(ids(TEAM, &[], &[], Some(all[0]), 1).await, all[1..2]);
    let named_ops = ids(TEAM, &["ops"], &[], None, 10).await;
    assert_eq!(named_ops, in_order([first.id, second.id]));
    let valid = ids(TEAM, &["ops", "ci"], &[KeyState::Valid], None, 10).await;
    assert_eq!(valid, in_order([first.id, third.id]));
    let revoked = ids(TEAM, &[], &[KeyState::Revoked, KeyState::Expired], None, 10).await;
    assert_eq!(revoked, [second.id]);
    assert!(ids(STRANGERS, &[], &[], None, 10).await.is_empty());
}

#[tokio::test]
async fn two_who_hold_the_admins_come_one_after_the_other() {
    let db = TestDb::new().await;
    let (mut first, mut second) = (db.session().await, db.session().await);
    let a = add(&mut first, "admin", "prefix01").await.id;
    let b = add(&mut first, "admin", "prefix02").await.id;
    add(&mut first, "operator", "prefix03").await;
    begin(&mut first).await;
    begin(&mut second).await;
    let held = api_key::lock_valid_admins(&mut first, TEAM).await.unwrap();
    assert_eq!(held, in_order([a, b]));
    let waiting = pid(&mut second).await;
    let late = async { api_key::lock_valid_admins(&mut second, TEAM).await };
    let go_on = async {
        until_blocked(&db, waiting).await;
        api_key::revoke(&mut first, a, "k", None).await.unwrap();
        sqlx::query("COMMIT").execute(&mut first).await.unwrap();
    };
    let (seen, ()) = tokio::join!(late, go_on);
    assert_eq!(seen.unwrap(), [b]);
}

async fn begin(conn: &mut PgConnection) {
    sqlx::query("BEGIN").execute(conn).await.unwrap();
}

#[tokio::test]
async fn a_use_is_written_once_a_minute_and_never_backwards() {
    let db = TestDb::new().await;
    let mut conn = db.session().await;
    let key = add(&mut conn, "viewer", "prefix01").await.id;
    let mark = async |conn: &mut PgConnection, age_s| {
        api_key::mark_used(conn, &[(key, Span::from_secs(age_s))])
            .await
            .unwrap()
    };
    let last =
        async |conn: &mut PgConnection| api_key::by_id(conn, TEAM, key).await.unwrap().last_used_at;
    assert_eq!(mark(&mut conn, 300).await, 1);
    let first = last(&mut conn).await.unwrap();
    assert_eq!(mark(&mut conn, 600).await, 0, "older than what is known");
    assert_eq!(mark(&mut conn, 0).await, 1);
    let newer = last(&mut conn).await.unwrap();
    assert!(newer - first >= Duration::minutes(4));
    assert_eq!(mark(&mut conn, 0).await, 0, "less than a minute ago");
    let nobody = ApiKeyId(Uuid::nil());
    let unknown = api_key::mark_used(&mut conn, &[(nobody, Span::ZERO)]).await;
    assert_eq!(unknown.unwrap(), 0);
    // Who holds the row is writing it: the other does not wait.
    sqlx::query("UPDATE api_key SET last_used_at = NULL")
        .execute(db.owner())
        .await
        .unwrap();
    let mut holder = db.session().await;
    begin(&mut holder).await;
    api_key::lock(&mut holder, TEAM, key).await.unwrap();
    assert_eq!(mark(&mut conn, 0).await, 0);
}

#[tokio::test]
async fn the_door_closes_once_and_who_comes_second_waits_for_the_first() {
    let db = TestDb::new().await;
    let (mut first, mut second) = (db.session().await, db.session().await);
    assert!(bootstrap_door::is_open(&mut first, TEAM).await.unwrap());
    for (end, through) in [("ROLLBACK", true), ("COMMIT", false)] {
        begin(&mut first).await;
        begin(&mut second).await;
        assert!(bootstrap_door::close(&mut first, "a").await.unwrap());
        let waiting = pid(&mut second).await;
        let late = async { bootstrap_door::close(&mut second, "b").await.unwrap() };
        let go_on = async {
            until_blocked(&db, waiting).await;
            sqlx::query(end).execute(&mut first).await.unwrap();
        };
        let (passed, ()) = tokio::join!(late, go_on);
        assert_eq!(passed, through, "{end}");
        sqlx::query("ROLLBACK").execute(&mut second).await.unwrap();
    }
    assert!(!bootstrap_door::is_open(&mut first, TEAM).await.unwrap());
}

#[tokio::test]
async fn the_door_is_closed_where_an_admin_is_known() {
    let db = TestDb::new().await;
    let mut conn = db.session().await;
    add(&mut conn, "operator", "prefix01").await;
    assert!(bootstrap_door::is_open(&mut conn, TEAM).await.unwrap());
    let admin = add(&mut conn, "admin", "prefix02").await;
    api_key::revoke(&mut conn, admin.id, "k", None)
        .await
        .unwrap();
    assert!(!bootstrap_door::is_open(&mut conn, TEAM).await.unwrap());
}
