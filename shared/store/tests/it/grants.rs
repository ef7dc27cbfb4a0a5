//! What the application's role may not do, however it is asked.

use certmill_testkit::TestDb;
use sqlx::AssertSqlSafe;

const INSUFFICIENT_PRIVILEGE: &str = "42501";

async fn code(pool: &certmill_pg::Pool, statement: &str) -> Option<String> {
    let answer = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(pool)
        .await;
    let error = answer.err()?;
    error
        .as_database_error()
        .and_then(|refusal| refusal.code())
        .map(Into::into)
}

#[tokio::test]
async fn the_application_role_cannot_touch_what_is_not_its_own() {
    let db = TestDb::new().await;
    let ca_key = "INSERT INTO ca_key (name, certificate_der, not_after, kek_id, key_sealed) \
                  VALUES ('root', '', now(), 'k', '')";
    for statement in [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        ca_key,
        "UPDATE ca_key SET key_sealed = ''",
        "DELETE FROM ca_key",
        "INSERT INTO kek (id, purpose) VALUES ('k', 'ca')",
        "UPDATE kek SET purpose = 'app'",
        "DELETE FROM kek",
        "DELETE FROM _sqlx_migrations",
        "CREATE TABLE mine (id int)",
        "DROP TABLE audit",
        "ALTER TABLE audit ADD COLUMN mine int",
        "SELECT grant_app('certmill_app')",
        "SELECT rolpassword FROM pg_authid",
    ] {
        let refused = code(db.app(), statement).await;
        assert_eq!(
            refused.as_deref(),
            Some(INSUFFICIENT_PRIVILEGE),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn the_application_role_may_write_and_read_audit_rows() {
    let db = TestDb::new().await;
    let append = "INSERT INTO audit (team_id, actor, action, object) VALUES (1, 'a', 'b', 'c')";
    assert_eq!(code(db.app(), append).await, None);
    assert_eq!(code(db.app(), "SELECT * FROM audit").await, None);
}
