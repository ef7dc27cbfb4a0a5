//! Bounds: URL, headers, rate, time, and a database that is away.

use std::time::{Duration, Instant};

use certmill_crypto::token::ApiKey;
use certmill_service::Role;
use certmill_settings::ApiLimits;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::Method;

use crate::fixture::{Api, Wish, client, send, until};

#[tokio::test]
async fn long_urls_and_headers_are_refused() {
    let api = Api::start().await;
    api.get(&format!("/api/v1/jobs?kind={}", "a".repeat(9000)))
        .await
        .is(414, "uri_too_long");
    let large = api
        .call(Method::GET, "/api/v1/jobs", Role::Viewer)
        .header("x-large", "a".repeat(17 * 1024));
    send(large).await.is(431, "headers_too_large");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let mut wish = Wish::default();
    (wish.limits.rate_per_s, wish.limits.burst) = (1, 5);
    let api = Api::start_with(wish).await;
    let mut refused = None;
    for _ in 0..8 {
        let answer = api.get("/api/v1/version").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    refused.is(429, "rate_limited");
    assert_eq!(refused.json()["retryable"], true);
    assert!((1..=5).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    let other = send(api.call(Method::GET, "/api/v1/version", Role::Admin)).await;
    assert_eq!(other.status, 200, "another key has its own limit");
    assert_eq!(send(api.http.get(api.url("/health"))).await.status, 200);
}

#[tokio::test]
async fn answers_tell_the_limits_and_what_is_left() {
    let mut wish = Wish::default();
    (wish.limits.rate_per_s, wish.limits.burst) = (1, 5);
    (wish.limits.address_rate_per_s, wish.limits.address_burst) = (1, 8);
    let api = Api::start_with(wish).await;
    let policy = r#""key";q=5;w=5, "address";q=8;w=8"#;
    let first = api.get("/api/v1/version").await;
    assert_eq!(first.header("ratelimit-policy"), policy);
    assert_eq!(
        first.header("ratelimit"),
        r#""key";r=4;t=1, "address";r=7;t=1"#
    );
    for path in ["/api/v1/jobs/job_0", "/api/v1/version?x=1", "/api/v1/jobs"] {
        let answer = api.get(path).await;
        assert!(
            answer.status != 429 && answer.header("ratelimit-policy") == policy,
            "{answer:?}"
        );
        assert!(answer.header("ratelimit").starts_with("\"key\";r="));
    }
    let forbidden = send(api.call(Method::POST, "/api/v1/keys", Role::Viewer)).await;
    forbidden.is(403, "forbidden");
    assert_eq!(forbidden.header("ratelimit-policy"), policy);
    let mut refused = api.get("/api/v1/version").await;
    while refused.status != 429 {
        refused = api.get("/api/v1/version").await;
    }
    assert_eq!(refused.header("ratelimit-policy"), policy);
    assert!(
        refused.header("ratelimit").starts_with("\"key\";r=0;t=5, "),
        "{refused:?}"
    );
    let open = send(api.http.get(api.url("/health"))).await;
    assert_eq!((open.status, open.header("ratelimit")), (200, ""));
}

#[tokio::test]
async fn an_address_is_limited_over_all_its_keys_and_replicas_whatever_headers_say() {
    let mut wish = Wish::default();
    (wish.limits.address_rate_per_s, wish.limits.address_burst) = (1, 6);
    let api = Api::start_with(wish).await;
    let other = api.replica_with(wish_limits(1, 6)).await;
    let began = Instant::now();
    let mut passed = 0;
    for n in 0..20 {
        let replica = if n % 2 == 0 { &api.bound } else { &other };
        let role = [Role::Viewer, Role::Operator, Role::Admin][n % 3];
        let request = api.http.get(api.url_at(replica, "/api/v1/version"));
        let request = request
            .bearer_auth(api.key(role))
            .header("x-forwarded-for", format!("192.0.2.{n}"));
        let answer = send(request).await;
        match answer.status {
            200 => passed += 1,
            _ => {
                answer.is(429, "rate_limited");
                assert!(
                    answer.json()["detail"]
                        .as_str()
                        .unwrap()
                        .contains("address")
                );
                assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
            }
        }
    }
    let most = 6 + began.elapsed().as_secs() + 1;
    assert!((6..=most).contains(&passed), "{passed} of {most}");
}

#[tokio::test]
async fn without_its_table_of_limits_a_replica_limits_alone() {
    let mut wish = Wish::default();
    (wish.limits.rate_per_s, wish.limits.burst) = (1, 5);
    let api = Api::start_with(wish).await;
    let hide = "ALTER TABLE api_limit RENAME TO hidden";
    sqlx::query(hide).execute(api.db.owner()).await.unwrap();
    let began = Instant::now();
    let mut passed = 0;
    for _ in 0..12 {
        let answer = api.get("/api/v1/version").await;
        match answer.status {
            200 => passed += 1,
            _ => answer.is(429, "rate_limited"),
        }
    }
    let most = 5 + began.elapsed().as_secs() + 1;
    assert!((5..=most).contains(&passed), "{passed} of {most}");
    // A guess that cannot be counted is not answered.
    let guess = ApiKey::generate().unwrap();
    let request = api.http.get(api.url("/api/v1/version"));
    let answer = send(request.bearer_auth(guess.expose())).await;
    answer.is(503, "database_unavailable");
}

fn wish_limits(rate_per_s: u32, burst: u32) -> ApiLimits {
    let mut limits = Wish::default().limits;
    (limits.address_rate_per_s, limits.address_burst) = (rate_per_s, burst);
    limits
}

#[tokio::test]
async fn a_database_that_is_away_is_said_and_not_shown() {
    let api = Api::start().await;
    assert_eq!(api.get("/api/v1/jobs").await.status, 200);
    api.context.pool.close().await;
    let answer = api.get("/api/v1/jobs").await;
    answer.is(503, "database_unavailable");
    assert_eq!(answer.json()["retryable"], true);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(send(api.http.get(api.url("/health"))).await.status, 200);
    until("unready", async || {
        send(api.http.get(api.url("/ready"))).await.status == 503
    })
    .await;
    let ready = send(api.http.get(api.url("/ready"))).await;
    ready.is(503, "not_ready");
    assert_eq!(ready.json()["errors"][0]["pointer"], "/database");
}

#[tokio::test]
async fn work_that_takes_too_long_is_cut_off() {
    let mut wish = Wish::default();
    wish.limits.request_timeout = Duration::from_millis(300);
    let api = Api::start_with(wish).await;
    let mut session = api.db.owner_session().await;
    sqlx::query("BEGIN").execute(&mut session).await.unwrap();
    sqlx::query("LOCK TABLE profile IN ACCESS EXCLUSIVE MODE")
        .execute(&mut session)
        .await
        .unwrap();
    api.get("/api/v1/profiles").await.is(503, "overloaded");
    sqlx::query("ROLLBACK").execute(&mut session).await.unwrap();
    assert_eq!(api.get("/api/v1/profiles").await.status, 200);
}

#[tokio::test]
async fn a_schema_of_another_build_makes_it_unready() {
    let api = Api::start().await;
    let newer = certmill_pg::newest_migration() + 1;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ($1, 'newer', true, '\\x00', 0)",
    )
    .bind(newer)
    .execute(api.db.owner())
    .await
    .unwrap();
    until("unready", async || {
        send(api.http.get(api.url("/ready"))).await.status == 503
    })
    .await;
    let ready = send(api.http.get(api.url("/ready"))).await.json();
    assert_eq!(ready["errors"][0]["pointer"], "/schema", "{ready}");
}

#[tokio::test]
async fn too_much_at_once_is_sent_away_at_once() {
    let api = Api::start().await;
    assert_eq!(api.get("/api/v1/profiles").await.status, 200);
    let mut session = api.db.owner_session().await;
    sqlx::query("BEGIN").execute(&mut session).await.unwrap();
    sqlx::query("LOCK TABLE profile IN ACCESS EXCLUSIVE MODE")
        .execute(&mut session)
        .await
        .unwrap();
    let places = 16 * api.context.pool.max_connections() as usize;
    // One connection carries 100 requests at once, so there must be several.
    let clients = [
        client(&api.root.pem()),
        client(&api.root.pem()),
        client(&api.root.pem()),
    ];
    let ask = |n: usize| {
        let request = clients[n % 3].get(api.url("/api/v1/profiles"));
        send(request.bearer_auth(api.key(Role::Viewer)))
    };
    let mut asked: FuturesUnordered<_> = (0..places + 20).map(ask).collect();
    for _ in 0..20 {
        let answer = asked.next().await.unwrap();
        answer.is(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
    }
    sqlx::query("ROLLBACK").execute(&mut session).await.unwrap();
    let rest: Vec<_> = asked.collect().await;
    assert!(rest.iter().all(|answer| answer.status == 200), "{rest:?}");
}

#[tokio::test]
async fn a_fault_of_ours_shows_nothing_of_our_inside() {
    let api = Api::start().await;
    sqlx::query("ALTER TABLE profile RENAME TO other")
        .execute(api.db.owner())
        .await
        .unwrap();
    let answer = api.get("/api/v1/profiles").await;
    answer.is(500, "internal");
    assert!(
        !answer.text.contains("profile") && !answer.text.contains("42P01"),
        "{answer:?}"
    );
}
