//! A stranger's reading of the contract: schemathesis makes requests of the document, fit and unfit
//! ones, and holds every answer against it.
//!
//! Invariant: no 5xx, no status, header or body that the document does not describe.

use std::process::Stdio;
use std::time::Duration;

use certmill_service::Role;
use certmill_testkit::tool;
use tokio::process::Command;

use crate::examples::Stage;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/schemathesis.toml");

/// It lists the keys, and would end the one by which it asks.
const KEEP_OWN_KEYS: [&str; 2] = [
    "CREATE FUNCTION keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
         NEW.revoked_at := OLD.revoked_at;
         NEW.expires_at := OLD.expires_at;
         RETURN NEW;
     END $$",
    "CREATE TRIGGER keep_key BEFORE UPDATE ON api_key FOR EACH ROW
     WHEN (OLD.name IN ('viewer', 'operator', 'admin')) EXECUTE FUNCTION keep_key()",
];

async fn ask_as(role: Role) {
    let Some(program) = tool("schemathesis") else {
        return;
    };
    let full = std::env::var_os("CERTMILL_TEST_FULL").is_some();
    let (examples, seconds) = if full { ("200", 600) } else { ("8", 45) };
    let stage = Stage::set().await;
    let api = &stage.api;
    for statement in KEEP_OWN_KEYS {
        sqlx::query(statement)
            .execute(api.db.owner())
            .await
            .unwrap();
    }
    let trust = api.dir.path().join("root.pem");
    std::fs::write(&trust, api.root.pem()).unwrap();
    let mut command = Command::new(program);
    command
        .args([
            "--config-file",
            CONFIG,
            "run",
            "--checks",
            "all",
            "--no-color",
        ])
        .args([
            "--max-examples",
            examples,
            "--workers",
            "1",
            "--request-timeout",
            "30",
        ])
        .args(["--max-time", &seconds.to_string(), "--continue-on-failure"])
        .arg("--tls-verify")
        .arg(&trust)
        .arg(api.url("/api/v1/openapi.json"))
        .env("CERTMILL_TEST_KEY", api.key(role))
        .current_dir(api.dir.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if !full {
        // The ordinary run asks the same questions each time; the long one asks new ones.
        command.args(["--seed", "1"]);
    }
    let patience = Duration::from_secs(3 * seconds);
    let ended = tokio::time::timeout(patience, command.output()).await;
    let ended = ended.expect("schemathesis did not end").unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{text}\n{errors}");
    // That it asked at all: a run that tested nothing ends well, too.
    assert!(
        text.contains("passed") || text.contains("No issues found"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a suite of its own: cargo xtask test --only contract"]
async fn strange_requests_find_no_fault_as_admin() {
    ask_as(Role::Admin).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a suite of its own: cargo xtask test --only contract"]
async fn strange_requests_find_no_fault_as_viewer() {
    ask_as(Role::Viewer).await;
}
