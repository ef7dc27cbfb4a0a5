//! Keys: made, shown once, ended, replaced; the first admin's; and what of them is written down.

use std::time::Duration as Span;

use certmill_crypto::token::ApiKey;
use certmill_domain::api_key::{KeyState, OVERLAP};
use certmill_domain::ids::ApiKeyId;
use certmill_service::keys::{self, Ask, Made, Principal, Proof, authenticate};
use certmill_service::{Caller, Error, Idempotency, Role};
use time::Duration;

use crate::first_admin::come_in;
use crate::rig::*;

pub fn admin() -> Caller {
    Caller {
        role: Role::Admin,
        ..caller()
    }
}

pub fn ask(role: Role) -> Ask {
    Ask {
        name: "ci".into(),
        role,
        life: None,
    }
}

pub async fn add(rig: &Rig, role: Role) -> Made {
    keys::add(&rig.context, &admin(), ask(role), None)
        .await
        .unwrap()
}

pub async fn principal(rig: &Rig, text: &str) -> Option<Principal> {
    match authenticate(rig.db.app(), text).await.unwrap() {
        Proof::Valid(principal) => Some(principal),
        _ => None,
    }
}

pub fn code(error: &Error) -> &'static str {
    match error {
        Error::Conflict { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

fn repeat() -> Idempotency {
    Idempotency {
        route: "r",
        key: "k".into(),
        body_sha256: [1; 32],
    }
}

pub async fn audited(rig: &Rig, action: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = $1")
        .bind(action)
        .fetch_one(rig.db.owner())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_opens_until_it_ends() {
    let rig = rig().await;
    add(&rig, Role::Admin).await;
    let made = add(&rig, Role::Operator).await;
    let text = made.secret.expose();
    let who = principal(&rig, text).await.unwrap();
    assert_eq!(
        (who.key, who.caller.role, who.left),
        (made.key.id, Role::Operator, None)
    );
    assert_eq!(who.caller.actor, made.key.id.to_string());
    let twin = add(&rig, Role::Operator).await;
    assert!(principal(&rig, twin.secret.expose()).await.is_some());

    let reason = Some("its file was copied");
    let ended = keys::revoke(&rig.context, &admin(), made.key.id, reason).await;
    let ended = ended.unwrap();
    assert_eq!(ended.revoke_reason.as_deref(), reason);
    assert_eq!(ended.state, KeyState::Revoked);
    assert!(principal(&rig, text).await.is_none());
    assert!(principal(&rig, twin.secret.expose()).await.is_some());
    let again = keys::revoke(&rig.context, &admin(), made.key.id, None).await;
    assert_eq!(again.unwrap(), ended);
    assert_eq!(audited(&rig, "key.add").await, 3);
    assert_eq!(audited(&rig, "key.revoke").await, 1);
}

#[tokio::test]
async fn a_key_ends_by_the_database_clock() {
    let rig = rig().await;
    let short = Ask {
        life: Some(Duration::minutes(2)),
        ..ask(Role::Viewer)
    };
    let made = keys::add(&rig.context, &admin(), short, None)
        .await
        .unwrap();
    let who = principal(&rig, made.secret.expose()).await.unwrap();
    let left = who.left.unwrap();
    assert!(left > Span::from_secs(100) && left <= Span::from_secs(120));
    run(rig.db.app(), "UPDATE api_key SET expires_at = now()").await;
    assert!(principal(&rig, made.secret.expose()).await.is_none());
}

#[tokio::test]
async fn a_mistyped_key_is_refused_without_the_database() {
    let rig = rig().await;
    let key = ApiKey::generate().unwrap();
    let mut typed = key.expose().to_owned();
    typed.replace_range(20..21, if &typed[20..21] == "a" { "b" } else { "a" });
    rig.db.app().close().await;
    for text in [typed.as_str(), "", "x"] {
        let proof = authenticate(rig.db.app(), text).await.unwrap();
        assert!(matches!(proof, Proof::Malformed(_)), "{proof:?}");
    }
    assert!(authenticate(rig.db.app(), key.expose()).await.is_err());
}

#[tokio::test]
async fn only_admins_have_to_do_with_keys() {
    let rig = rig().await;
    let made = add(&rig, Role::Viewer).await;
    let (context, id) = (&rig.context, made.key.id);
    let filter = keys::Filter::default();
    let who = caller();
    let forbidden = |refused: bool| assert!(refused);
    forbidden(matches!(
        keys::add(context, &who, ask(Role::Viewer), None).await,
        Err(Error::Forbidden(_))
    ));
    forbidden(matches!(
        keys::by_id(context, &who, id).await,
        Err(Error::Forbidden(_))
    ));
    forbidden(matches!(
        keys::list(context, &who, &filter, None, 9).await,
        Err(Error::Forbidden(_))
    ));
    forbidden(matches!(
        keys::revoke(context, &who, id, None).await,
        Err(Error::Forbidden(_))
    ));
    forbidden(matches!(
        keys::rotate(context, &who, id, OVERLAP, None, None).await,
        Err(Error::Forbidden(_))
    ));
}

#[tokio::test]
async fn all_faults_of_an_ask_are_told() {
    let rig = rig().await;
    let bad = Ask {
        name: "a b".into(),
        role: Role::Viewer,
        life: Some(Duration::SECOND),
    };
    let refused = keys::add(&rig.context, &admin(), bad, None).await;
    let Err(Error::Invalid(faults)) = refused else {
        panic!()
    };
    assert_eq!(
        shown(&faults),
        [("/name", "name_form"), ("/expires_in_s", "out_of_bounds")]
    );
    let (overlap, life) = (Duration::seconds(-1), Some(Duration::MAX));
    let id = add(&rig, Role::Viewer).await.key.id;
    let refused = keys::rotate(&rig.context, &admin(), id, overlap, life, None).await;
    let Err(Error::Invalid(faults)) = refused else {
        panic!()
    };
    assert_eq!(
        shown(&faults),
        [
            ("/overlap_s", "out_of_bounds"),
            ("/expires_in_s", "out_of_bounds")
        ]
    );
}

#[tokio::test]
async fn foreign_and_missing_keys_answer_alike() {
    let rig = rig().await;
    let made = add(&rig, Role::Viewer).await;
    let foreign = Caller {
        role: Role::Admin,
        ..stranger()
    };
    let missing = ApiKeyId(uuid::Uuid::nil());
    for (who, id) in [(&foreign, made.key.id), (&admin(), missing)] {
        let context = &rig.context;
        let answers = [
            keys::by_id(context, who, id).await.unwrap_err(),
            keys::revoke(context, who, id, None).await.unwrap_err(),
            keys::rotate(context, who, id, OVERLAP, None, None)
                .await
                .err()
                .unwrap(),
        ];
        for answer in answers {
            assert!(matches!(answer, Error::NotFound("API key")), "{answer:?}");
        }
    }
    let filter = keys::Filter::default();
    let listed = keys::list(&rig.context, &foreign, &filter, None, 9).await;
    assert!(listed.unwrap().is_empty());
}

#[tokio::test]
async fn the_last_admin_stays() {
    let rig = rig().await;
    let first = add(&rig, Role::Admin).await.key.id;
    add(&rig, Role::Operator).await;
    let refused = keys::revoke(&rig.context, &admin(), first, None).await;
    assert_eq!(code(&refused.unwrap_err()), "last_admin_key");
    let second = add(&rig, Role::Admin).await.key.id;
    // Each ends the other's key at the same time: one of them comes too late.
    let (by_a, by_b) = (admin(), admin());
    let (a, b) = tokio::join!(
        keys::revoke(&rig.context, &by_a, first, None),
        keys::revoke(&rig.context, &by_b, second, None)
    );
    let refused: Vec<_> = [a, b].into_iter().filter_map(Result::err).collect();
    assert_eq!(
        refused.iter().map(code).collect::<Vec<_>>(),
        ["last_admin_key"]
    );
    // An admin's key that has ended by itself is no reason to keep another.
    let third = add(&rig, Role::Admin).await.key.id;
    run(
        rig.db.app(),
        &format!(
            "UPDATE api_key SET expires_at = now() WHERE id = '{}'",
            third.0
        ),
    )
    .await;
    assert!(
        keys::revoke(&rig.context, &admin(), third, None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_overlap() {
    let rig = rig().await;
    let old = add(&rig, Role::Operator).await;
    let id = old.key.id;
    let rotate =
        async |id, overlap| keys::rotate(&rig.context, &admin(), id, overlap, None, None).await;
    let rotated = rotate(id, Duration::HOUR).await.unwrap();
    let new = &rotated.new;
    assert_eq!(
        (
            new.key.name.as_str(),
            new.key.role.as_str(),
            new.key.replaces
        ),
        ("ci", "operator", Some(id))
    );
    assert_eq!(new.key.expires_at, None);
    let left = principal(&rig, old.secret.expose()).await.unwrap().left;
    assert!(left.unwrap() > Span::from_secs(3_500));
    assert!(principal(&rig, new.secret.expose()).await.is_some());
    let again = rotate(id, Duration::HOUR).await.err().unwrap();
    assert_eq!(code(&again), "key_replaced");
    assert!(again.to_string().contains(&new.key.id.to_string()));

    let next = rotate(new.key.id, Duration::ZERO).await.unwrap();
    assert_eq!(next.old.state, KeyState::Expired);
    assert!(principal(&rig, new.secret.expose()).await.is_none());
    let ended = rotate(new.key.id, OVERLAP).await.err().unwrap();
    assert_eq!(code(&ended), "key_ended");
    assert_eq!(audited(&rig, "key.rotate").await, 2);
}

#[tokio::test]
async fn a_repeat_is_told_which_key_it_made_and_no_secret() {
    let rig = rig().await;
    let again = repeat();
    let made = keys::add(&rig.context, &admin(), ask(Role::Viewer), Some(&again))
        .await
        .unwrap();
    let refused = keys::add(&rig.context, &admin(), ask(Role::Viewer), Some(&again)).await;
    let Err(Error::SecretShownOnce { key }) = refused else {
        panic!()
    };
    assert_eq!(key, made.key.id.to_string());
    let used = Idempotency {
        key: "rotation".into(),
        ..repeat()
    };
    let rotate = async || {
        keys::rotate(
            &rig.context,
            &admin(),
            made.key.id,
            OVERLAP,
            None,
            Some(&used),
        )
        .await
    };
    let rotated = rotate().await.unwrap();
    let Err(Error::SecretShownOnce { key }) = rotate().await else {
        panic!()
    };
    assert_eq!(key, rotated.new.key.id.to_string());
    let filter = keys::Filter::default();
    let all = keys::list(&rig.context, &admin(), &filter, None, 9).await;
    assert_eq!(all.unwrap().len(), 2);
}

/// Every row of every table as text, after all ways to a secret were used.
#[tokio::test]
async fn no_table_holds_a_secret() {
    let rig = rig().await;
    let first = come_in(&rig, None).await.unwrap().secret.unwrap();
    let on_disk = ApiKey::generate().unwrap();
    keys::register_first(rig.db.app(), &on_disk, "disk")
        .await
        .unwrap();
    let used = repeat();
    let made = keys::add(&rig.context, &admin(), ask(Role::Viewer), Some(&used))
        .await
        .unwrap();
    let rotated = keys::rotate(&rig.context, &admin(), made.key.id, OVERLAP, None, None)
        .await
        .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(table_name) FROM information_schema.tables \
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(rig.db.owner())
    .await
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let mut dump = String::new();
    for table in tables {
        let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .fetch_one(rig.db.owner())
            .await
            .unwrap();
        dump.push_str(&rows);
    }
    for secret in [&first, &on_disk, &made.secret, &rotated.new.secret] {
        let text = secret.expose();
        assert!(dump.contains(secret.id()), "the row is not in the dump");
        // The part after the prefix, whole and in pieces, as text and as bytea shows it.
        let (whole, half) = (&text[12..], &text[12..38]);
        for trace in [whole, half, &hex::encode(whole), &hex::encode(half)] {
            assert!(!dump.contains(trace), "a secret was stored");
        }
    }
}
