//! Who may call what, and how unknown paths answer.

use certmill_api::{Access, TABLE};
use certmill_service::Role;
use http::Method;

use crate::fixture::{Api, send};

fn path(template: &str) -> String {
    template.replace("{id}", "job_0000000000001")
}

#[tokio::test]
async fn every_route_wants_a_key_and_its_role() {
    let api = Api::start().await;
    for route in TABLE {
        let Access::Needs(permission) = route.access else {
            continue;
        };
        let method: Method = route.method.parse().unwrap();
        let (url, bare) = (path(route.path), api.url(&path(route.path)));
        let answer = send(api.http.request(method.clone(), &bare)).await;
        answer.is(401, "unauthenticated");
        assert!(
            answer.header("www-authenticate").starts_with("Bearer"),
            "{}",
            route.path
        );
        let odd = api
            .http
            .request(method.clone(), &bare)
            .header("authorization", "Basic eDp5");
        send(odd).await.is(401, "unauthenticated");
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let answer = send(api.call(method.clone(), &url, role)).await;
            let refused = answer.status == 403;
            assert_eq!(
                refused,
                role < permission.least_role(),
                "{} {} as {role:?}: {answer:?}",
                route.method,
                route.path
            );
            assert_ne!(answer.status, 401);
        }
    }
}

#[tokio::test]
async fn keys_of_a_wrong_form_or_unknown_are_refused() {
    let api = Api::start().await;
    let unknown = certmill_crypto::token::ApiKey::generate().unwrap();
    for key in ["", "x", "cm_short", unknown.expose()] {
        let answer = send(api.http.get(api.url("/api/v1/jobs")).bearer_auth(key)).await;
        answer.is(401, "unauthenticated");
        assert!(key.len() < 9 || !answer.text.contains(key));
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_problems() {
    let api = Api::start().await;
    api.get("/nothing").await.is(404, "not_found");
    api.get("/api/v1/certificates:burn")
        .await
        .is(404, "not_found");
    let answer = send(api.call(Method::DELETE, "/api/v1/certificates", Role::Admin)).await;
    answer.is(405, "method_not_allowed");
    let allowed = answer.header("allow");
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    send(api.http.post(api.url("/health")))
        .await
        .is(405, "method_not_allowed");
    let nothing = format!("cert_{}", "0".repeat(26));
    for (id, status, code) in [
        (nothing.as_str(), 404, "not_found"),
        ("cert_1", 400, "invalid_id"),
        ("job_0000000000001", 400, "invalid_id"),
        ("cert_%00", 400, "invalid_id"),
        ("%ff", 400, "invalid_id"),
        ("1", 400, "invalid_id"),
    ] {
        api.get(&format!("/api/v1/certificates/{id}"))
            .await
            .is(status, code);
        api.get(&format!("/api/v1/certificates/{id}/chain"))
            .await
            .is(status, code);
        api.post(
            &format!("/api/v1/certificates/{id}/renew"),
            &serde_json::json!({}),
        )
        .await
        .is(status, code);
    }
    api.get("/api/v1/jobs/job_0000000000009")
        .await
        .is(404, "not_found");
    api.get("/api/v1/jobs/job_zzzzzzzzzzzzz")
        .await
        .is(400, "invalid_id");
}

#[tokio::test]
async fn answers_carry_the_request_id_and_no_server_header() {
    let api = Api::start().await;
    let answer = send(
        api.call(Method::GET, "/api/v1/version", Role::Viewer)
            .header("x-request-id", "mine-7"),
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("x-request-id")),
        (200, "mine-7")
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.headers.contains_key("server"));
    let answer = send(
        api.http
            .get(api.url("/health"))
            .header("x-request-id", "a b"),
    )
    .await;
    assert_eq!(answer.header("x-request-id").len(), 32);
    assert_eq!(send(api.http.head(api.url("/livez"))).await.status, 200);
    let ready = send(api.http.get(api.url("/readyz"))).await;
    assert_eq!(
        (ready.status, ready.json()["ready"].clone()),
        (200, true.into()),
        "{ready:?}"
    );
}
