//! Bad input row by row: exact codes, nothing stored, nothing echoed.
//!
//! Invariant: every code that is answered here is explained on the reference page of problems.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_service::Role;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, csr_for, send};

const PAGE: &str = include_str!("../../../docs/reference/problems.md");
const PATH: &str = "/api/v1/certificates";

/// The codes of all faults, each of which the reference explains.
fn codes(answer: &Answer) -> Vec<String> {
    answer.is(400, "invalid_request");
    let json = answer.json();
    let errors = json["errors"].as_array().unwrap();
    let codes: Vec<String> = errors
        .iter()
        .map(|error| error["code"].as_str().unwrap().to_owned())
        .collect();
    for code in &codes {
        assert!(
            PAGE.contains(&format!("| `{code}` |")),
            "{code} is not explained"
        );
    }
    codes
}

async fn rows(api: &Api) -> i64 {
    let count = "SELECT (SELECT count(*) FROM certificate) + (SELECT count(*) FROM job)";
    sqlx::query_scalar(count)
        .fetch_one(api.db.owner())
        .await
        .unwrap()
}

#[tokio::test]
async fn each_bad_name_has_its_code_and_good_ones_are_normalised() {
    let api = Api::start().await;
    let long = format!("{}.example", "abcdefgh.".repeat(28));
    for (name, code) in [
        ("*.com", "wildcard_misplaced"),
        ("*", "wildcard_misplaced"),
        ("foo_bar.example", "name_character"),
        ("-a.b", "name_hyphen"),
        (long.as_str(), "name_too_long"),
        (&format!("{}.example", "a".repeat(64)), "label_length"),
        ("a..b", "label_length"),
        ("xn--a.example", "name_punycode"),
        ("\u{1f600}.example", "name_character"),
        ("", "name_empty"),
        ("1.2.3", "name_numeric_end"),
        ("a\u{202e}b.example", "name_character"),
    ] {
        let as_name = api.post(PATH, &json!({"name": name})).await;
        assert_eq!(codes(&as_name), [code], "{name}");
        let as_san = json!({"name": "ok.example", "sans": ["fine.example", name]});
        let as_san = api.post(PATH, &as_san).await;
        assert_eq!(codes(&as_san), [code], "{name}");
        assert_eq!(as_san.json()["errors"][0]["pointer"], "/sans/1");
    }
    let many: Vec<String> = (0..101).map(|n| format!("h{n}.example")).collect();
    for (sans, code) in [(json!(many), "names_count"), (json!([]), "names_count")] {
        let body = json!({"name": "h0.example", "sans": sans});
        assert_eq!(codes(&api.post(PATH, &body).await), [code]);
    }
    let huge = json!({"name": "a.example", "sans": vec!["b.example"; 10_001]});
    assert_eq!(codes(&api.post(PATH, &huge).await), ["too_many_items"]);
    let wrong = json!({"name": "a.example", "sans": vec![1; 5_000]});
    let wrong = api.post(PATH, &wrong).await;
    assert_eq!(codes(&wrong).len(), 100, "not a megabyte of faults");
    assert!(
        wrong.json()["detail"]
            .as_str()
            .unwrap()
            .contains("5000 faults")
    );
    assert_eq!(rows(&api).await, 0);
    let good = json!({"name": "Shop.Example.", "sans": ["SHOP.example", "xn--bcher-kva.example"], "csr": csr_for("shop.example")});
    let made = api.post(PATH, &good).await;
    assert_eq!(made.status, 202, "{made:?}");
    let sans = json!(["shop.example", "xn--bcher-kva.example"]);
    assert_eq!(made.json()["certificate"]["sans"], sans);
}

#[tokio::test]
async fn each_bad_csr_has_its_code() {
    let api = Api::start().await;
    let twice = csr_for("a.example").repeat(2);
    for (csr, code) in [
        (include_str!("bad_csr/sha1.pem"), "weak_signature"),
        (include_str!("bad_csr/rsa1024.pem"), "weak_key"),
        (include_str!("bad_csr/bad_signature.pem"), "bad_signature"),
        (twice.as_str(), "multiple_pem_blocks"),
        ("hello", "malformed_csr"),
    ] {
        let answer = api
            .post(PATH, &json!({"name": "a.example", "csr": csr}))
            .await;
        assert_eq!(codes(&answer), [code]);
    }
    assert_eq!(rows(&api).await, 0);
}

/// Everything that is logged in this process from here on.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_private_key_is_named_wherever_it_is_pasted_and_kept_nowhere() {
    LazyLock::force(&LOG);
    let api = Api::start().await;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let pem = key.to_pem().expose_secret().to_owned();
    let secret = pem.lines().nth(1).unwrap()[..40].to_owned();
    let relabelled = pem.replace("PRIVATE KEY", "CERTIFICATE REQUEST");
    let both = format!("{}{pem}", csr_for("a.example"));
    let mut answers = Vec::new();
    for body in [
        json!({"name": "a.example", "csr": pem}),
        json!({"name": "a.example", "csr": relabelled}),
        json!({"name": "a.example", "csr": both}),
        json!({"name": pem}),
        json!({"name": "a.example", "profile": pem}),
        json!({"name": "a.example", "sans": ["b.example", pem]}),
    ] {
        let request = api.call(Method::POST, PATH, Role::Operator);
        answers.push(send(request.header("idempotency-key", "k").json(&body)).await);
    }
    answers.push(api.post_text(PATH, pem.clone()).await);
    answers.push(
        api.post_text(PATH, format!("{{\"name\": \"{pem}\"}}"))
            .await,
    );
    for answer in answers {
        answer.is(400, "private_key_received");
        let json = answer.json();
        assert!(
            json["hint"]
                .as_str()
                .unwrap()
                .contains("replace the old key"),
            "{json}"
        );
        assert!(!answer.text.contains(&secret));
    }
    let bulk = json!({"certificates": [{"name": "a.example", "csr": relabelled}]});
    let bulk = api.post("/api/v1/certificates:bulk", &bulk).await;
    assert_eq!(
        bulk.json()["items"][0]["problem"]["code"],
        "private_key_received"
    );
    assert!(!bulk.text.contains(&secret));
    assert!(!stored(&api, &secret).await);
    let log = String::from_utf8_lossy(&LOG.0.lock().unwrap()).into_owned();
    assert!(
        log.contains(bulk.header("x-request-id")),
        "it was not logged"
    );
    assert!(!log.contains(&secret));
}

/// Whether any row of any table holds the text.
async fn stored(api: &Api, text: &str) -> bool {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(api.db.owner())
        .await
        .unwrap();
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        let count = format!(
            "SELECT count(*) FROM \"{table}\" AS one WHERE one::text LIKE '%' || $1 || '%'"
        );
        let count = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count));
        if count.bind(text).fetch_one(api.db.owner()).await.unwrap() > 0 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn no_body_sets_what_is_not_the_clients_to_set() {
    let api = Api::start().await;
    let document = certmill_api::openapi().unwrap();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            if !body.is_object() {
                continue;
            }
            let path = crate::matrix::to_nothing(path);
            let method: Method = method.to_uppercase().parse().unwrap();
            for field in [
                "role",
                "owner_id",
                "team_id",
                "status",
                "approved_by",
                "id",
                "created_at",
            ] {
                let mut body: Value = body.clone();
                // A new key's role is the client's to say.
                if path == "/api/v1/keys" && field == "role" {
                    continue;
                }
                body[field] = json!("admin");
                let request = api.call(method.clone(), &path, Role::Admin).json(&body);
                let answer = send(request).await;
                assert_eq!(codes(&answer), ["unknown_field"], "{path} {field}");
                assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{field}"));
                asked += 1;
            }
        }
    }
    assert!(asked >= 7 * 6, "{asked}");
    let near = api
        .post(
            "/api/v1/profiles",
            &json!({"name": "p", "lifetime_s": 60, "isuer": "x"}),
        )
        .await;
    assert!(near.text.contains("did you mean `issuer`?"), "{near:?}");
}

#[tokio::test]
async fn depth_is_bounded_and_renewals_fit_their_lifetime() {
    let api = Api::start().await;
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(64), "]".repeat(64));
    let deep = api.post_text(PATH, deep).await;
    deep.is(400, "invalid_json");
    let detail = "the body is nested deeper than 64 levels, line 1 column 73";
    assert_eq!(deep.json()["detail"], detail);
    for renew in [
        json!({"before_s": 86_401}),
        json!({"before_s": -1}),
        json!({"fraction": 1.5}),
        json!({"fraction": -0.1}),
    ] {
        let body = json!({"name": "p", "lifetime_s": 86_400, "renew": renew});
        let answer = api.post("/api/v1/profiles", &body).await;
        assert_eq!(codes(&answer).len(), 1, "{answer:?}");
    }
    for renew in [
        json!({"before_s": "1 month"}),
        json!({"before_s": "P1Y"}),
        json!({"before_s": 1e300}),
    ] {
        let body = json!({"name": "p", "lifetime_s": 86_400, "renew": renew});
        let answer = api.post("/api/v1/profiles", &body).await;
        assert_eq!(codes(&answer), ["wrong_type"], "{answer:?}");
    }
}
