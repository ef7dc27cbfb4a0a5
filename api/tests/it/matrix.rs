//! Who gets which status on every route, held against a checked-in table.
//!
//! Invariant: a route, a method or a role that changes its answer changes the table, or fails.

use std::fmt::Write as _;

use certmill_api::TABLE;
use certmill_crypto::token::ApiKey;
use certmill_service::Role;
use http::Method;

use crate::contract::hold;
use crate::fixture::{Api, add_key, send};

const COLUMNS: &str = "none bad expired revoked viewer operator admin";

/// A path of this template to nothing, so that nothing changes.
pub fn to_nothing(template: &str) -> String {
    let id = if template.contains("/jobs/") {
        "job_0000000000009".to_owned()
    } else if template.contains("/keys/") {
        format!("key_{}", "0".repeat(26))
    } else if template.contains("/operations/") {
        format!("op_{}", "0".repeat(26))
    } else if template.contains("/history-cuts/") {
        "cut_0000000000009".to_owned()
    } else {
        format!("cert_{}", "0".repeat(26))
    };
    template.replace("{id}", &id)
}

async fn statuses(api: &Api, method: &Method, path: &str, keys: &[Option<&str>]) -> String {
    let mut row = String::new();
    // So many wrong keys from one address are guesses, which another test is about.
    let forget = sqlx::query("DELETE FROM api_limit").execute(api.db.owner());
    forget.await.unwrap();
    for key in keys {
        let mut request = api.http.request(method.clone(), api.url(path));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = send(request).await;
        write!(row, " {}", answer.status).unwrap();
        assert!(
            answer.status < 500
                && (answer.status < 400 || *method == Method::HEAD || !answer.code().is_empty()),
            "{method} {path}: {answer:?}"
        );
    }
    row
}

#[tokio::test]
async fn every_route_answers_each_role_as_the_table_says() {
    let api = Api::start().await;
    let unknown = ApiKey::generate().unwrap();
    let expired = ended_key(&api, "expires_at").await;
    let revoked = ended_key(&api, "revoked_at").await;
    let keys = [
        None,
        Some(unknown.expose()),
        Some(expired.expose()),
        Some(revoked.expose()),
        Some(api.key(Role::Viewer)),
        Some(api.key(Role::Operator)),
        Some(api.key(Role::Admin)),
    ];
    let mut table = format!("# method path: {COLUMNS}\n");
    let mut row = async |method: &Method, template: &str| {
        let statuses = statuses(&api, method, &to_nothing(template), &keys).await;
        writeln!(table, "{method} {template}:{statuses}").unwrap();
    };
    let mut paths: Vec<&str> = TABLE.iter().map(|route| route.path).collect();
    paths.dedup();
    for route in TABLE {
        row(&route.method.parse().unwrap(), route.path).await;
    }
    // Besides their own, all paths are asked by the methods that servers forget.
    for template in paths {
        for method in [Method::HEAD, Method::OPTIONS, Method::TRACE] {
            row(&method, template).await;
        }
    }
    for template in [
        "/",
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/certificates/{id}/nothing",
    ] {
        row(&Method::GET, template).await;
    }
    hold(
        &format!("{}/tests/it/matrix.txt", env!("CARGO_MANIFEST_DIR")),
        &table,
    );
}

/// A key of an admin that is no key any more.
async fn ended_key(api: &Api, how: &str) -> ApiKey {
    let key = add_key(&api.context, how, Role::Admin).await;
    let end = format!(
        "UPDATE api_key SET {how} = now(), created_at = now() - interval '1 day' WHERE name = $1"
    );
    let end = sqlx::query(sqlx::AssertSqlSafe(end)).bind(how);
    let done = end.execute(api.db.owner()).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    key
}
