//! Wrong keys are limited by the address of the socket, over all replicas; good ones are not.

use std::time::Instant;

use certmill_crypto::token::ApiKey;
use certmill_service::Role;
use http::Method;

use crate::fixture::{Api, send};

#[tokio::test]
async fn two_hundred_guesses_over_two_replicas_are_counted_as_one() {
    let api = Api::start().await;
    let other = api.replica(None).await;
    let began = Instant::now();
    let (mut refused, mut limited) = (0, 0);
    for n in 0..200 {
        let replica = if n % 2 == 0 { &api.bound } else { &other };
        let guess = ApiKey::generate().unwrap();
        let request = api.http.get(api.url_at(replica, "/api/v1/jobs"));
        let request = request
            .bearer_auth(guess.expose())
            .header("x-forwarded-for", format!("192.0.2.{n}"))
            .header("forwarded", format!("for=192.0.2.{n}"));
        let answer = send(request).await;
        match answer.status {
            401 => refused += 1,
            _ => {
                answer.is(429, "rate_limited");
                assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
                assert_eq!(answer.header("ratelimit-policy"), "\"guesses\";q=20;w=60");
                assert_eq!(answer.header("ratelimit"), "\"guesses\";r=0;t=60");
                limited += 1;
            }
        }
    }
    let most = 21 + began.elapsed().as_secs() / 3;
    assert!(refused <= most && refused >= 20, "{refused} of {most}");
    assert_eq!(refused + limited, 200);
    // Who shares the address and holds a key goes in, on a replica that never saw it as well.
    for replica in [&api.bound, &other] {
        let request = api.http.get(api.url_at(replica, "/api/v1/jobs"));
        let answer = send(request.bearer_auth(api.key(Role::Operator))).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(counted(&api).await, ["guess:key:127.0.0.1"]);
}

#[tokio::test]
async fn good_keys_and_typing_errors_ask_no_limit_of_guesses() {
    let api = Api::start().await;
    for _ in 0..30 {
        let answer = send(api.call(Method::GET, "/api/v1/jobs", Role::Viewer)).await;
        assert_eq!(answer.status, 200);
        let typo = format!("{}x", api.key(Role::Viewer));
        let answer = send(api.http.get(api.url("/api/v1/jobs")).bearer_auth(&typo)).await;
        answer.is(401, "unauthenticated");
        assert!(!answer.text.contains(&typo));
    }
    assert!(counted(&api).await.is_empty());
}

async fn counted(api: &Api) -> Vec<String> {
    sqlx::query_scalar("SELECT key FROM api_limit WHERE key LIKE 'guess:%' ORDER BY key")
        .fetch_all(api.db.owner())
        .await
        .unwrap()
}
