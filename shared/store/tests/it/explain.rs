//! Hot statements keep their index plans when the planner does not know the parameters. The
//! statements are those that the functions themselves prepared, read back from the session.

use certmill_domain::ids::{CertificateId, VersionId};
use certmill_domain::order::OrderState;
use certmill_store::certificate::Filter;
use certmill_store::standing::standing_all;
use certmill_store::{certificate, idempotency, order, sweep, version};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use crate::rig::*;

const ROWS: i32 = 30_000;
/// Tables that grow with what users have; a scan of one is a defect.
const BIG: [&str; 5] = [
    "certificate",
    "cert_order",
    "version",
    "job",
    "idempotency_key",
];

struct Plan {
    statement: String,
    text: String,
}

impl Plan {
    fn scans(&self) -> bool {
        self.text.lines().any(|line| {
            line.split_once("Seq Scan on ")
                .and_then(|(_, rest)| rest.split_whitespace().next())
                .is_some_and(|table| BIG.contains(&table))
        })
    }

    /// Whether it goes through a whole index of a big table. A page of a list may: it stops.
    fn walks(&self) -> bool {
        let lines: Vec<&str> = self.text.lines().collect();
        let has_limit = self.statement.contains("LIMIT");
        !has_limit
            && lines.iter().enumerate().any(|(n, line)| {
                let table = line
                    .split_once(" using ")
                    .and_then(|(_, rest)| rest.split(" on ").nth(1))
                    .and_then(|rest| rest.split_whitespace().next());
                let bounded = lines
                    .get(n + 1)
                    .is_some_and(|next| next.contains("Index Cond:"));
                table.is_some_and(|table| BIG.contains(&table)) && !bounded
            })
    }
}

/// The generic plans of all statements that this session has prepared.
async fn plans(conn: &mut PgConnection) -> Vec<Plan> {
    let prepared = sqlx::raw_sql(
        "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements ORDER BY prepare_time",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let mut plans = Vec::new();
    for row in prepared {
        let (name, statement): (String, String) = (row.get(0), row.get(1));
        let parameters = row.get::<i32, _>(2);
        let nulls = vec!["NULL"; usize::try_from(parameters).unwrap()].join(", ");
        let call = if parameters == 0 {
            name
        } else {
            format!("{name}({nulls})")
        };
        let lines = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE {call}")))
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        let text: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        plans.push(Plan {
            statement,
            text: text.join("\n"),
        });
    }
    plans
}

async fn filled() -> (Rig, PgConnection) {
    filled_with(ROWS).await
}

/// That many rows in each table, and a session that plans as the product's do.
async fn filled_with(rows: i32) -> (Rig, PgConnection) {
    let rig = rig().await;
    for n in 0..4 {
        add_issuer(&rig.db, &format!("more{n}")).await;
    }
    sqlx::query(
        "INSERT INTO certificate (team_id, name, names, profile_id, issuer_id, key_source, csr_der, \
             spki_sha256, status, generation, not_after, renew_at, sweep_at) \
         SELECT 1, 'n' || n || '.example.com', ARRAY['n' || n || '.example.com'], $2, i.id, 'csr', \
             decode(repeat('30', 400), 'hex'), decode(repeat('07', 32), 'hex'), 'issued', 1, \
             now() + (n % 47) * interval '1 day', now() + (n % 30) * interval '1 day', \
             now() + (n % 3000 - 50) * interval '1 hour' \
         FROM generate_series(1, $1) n \
         JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS k FROM issuer) i ON i.k = n % 5",
    )
    .bind(rows)
    .bind(rig.profile.0)
    .execute(rig.db.app())
    .await
    .unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!(
        "INSERT INTO cert_order (team_id, certificate_id, generation, issuer_id, state, serial, not_before, not_after) \
         SELECT 1, id, 1, issuer_id, 'issued', uuid_send(id), now(), now() + interval '47 days' FROM certificate; \
         INSERT INTO version (team_id, certificate_id, generation, order_id, issuer_id, serial, not_before, \
             not_after, issued_at, fingerprint, spki_sha256, leaf_der, chain_der) \
         SELECT 1, certificate_id, 1, id, issuer_id, serial, not_before, not_after, now(), '', '', '', '{{}}' FROM cert_order; \
         INSERT INTO job (team_id, queue, kind, run_at) \
         SELECT 1, CASE WHEN n % 4 = 0 THEN 'issue:more1' ELSE 'lane' || n % 7 END, 'issue', now() \
         FROM generate_series(1, {rows}) n; \
         INSERT INTO idempotency_key (principal, route, key, body_sha256, response, created_at) \
         SELECT 'p', 'r', n::text, '', '{{}}', now() - n * interval '10 s' FROM generate_series(1, {rows}) n;"
    )))
    .execute(rig.db.app())
    .await
    .unwrap();
    sqlx::raw_sql("VACUUM ANALYZE")
        .execute(rig.db.owner())
        .await
        .unwrap();
    let conn = rig.db.session().await;
    (rig, conn)
}

#[tokio::test]
async fn the_sweeps_step_walks_its_index() {
    let (_rig, mut conn) = filled().await;

    let taken = sweep::take_due(&mut conn, 50).await.unwrap();

    let urgent = taken.len() - 250;
    assert!(
        urgent < 50,
        "50 of each of five issuers, and what is most urgent"
    );
    let plans = plans(&mut conn).await;
    assert_eq!(plans.len(), 1);
    let text = &plans[0].text;
    for index in [
        "certificate_sweep",
        "certificate_profile_end",
        "certificate_pkey",
        "job_ready",
    ] {
        assert!(text.contains(index), "{index} is used:\n{text}");
    }
    assert!(!plans[0].scans(), "{text}");
}

/// Calls every function whose statement meets a table that grows.
async fn call_all(rig: &Rig, conn: &mut PgConnection) {
    let id = rig.add("fresh.example.com").await;
    let plan = rig.plan(id, 1).await;
    certificate::insert_all(conn, &[rig.new_certificate("more.example.com")])
        .await
        .unwrap();
    certificate::by_id(conn, TEAM, id).await.unwrap();
    certificate::lock(conn, TEAM, id).await.unwrap();
    certificate::sealed_key(conn, TEAM, id).await.unwrap();
    certificate::list(conn, TEAM, &Filter::default(), Some(id), 50)
        .await
        .unwrap();
    certificate::mark_failed(conn, id, "c", "d", false)
        .await
        .unwrap();
    certificate::arm(conn, id).await.unwrap();
    order::plan_all(conn, &[plan]).await.unwrap();
    let stored = order::standing(conn, id, 1).await.unwrap().unwrap();
    order::replan(conn, stored.id, &stored.plan).await.unwrap();
    order::store_remote(conn, stored.id, OrderState::Pending, &json!({}))
        .await
        .unwrap();
    standing_all(conn, &[(id, 1)]).await.unwrap();
    let version_id = issue(conn, &stored).await;
    order::end(conn, CertificateId(Uuid::nil()), 1, OrderState::Failed, "c")
        .await
        .unwrap();
    version::by_id(conn, version_id).await.unwrap();
    version::by_ids(conn, &[VersionId(Uuid::nil())])
        .await
        .unwrap();
    version::list(conn, id, None, 50).await.unwrap();
    idempotency::reserve(conn, "p", "r", "1", b"")
        .await
        .unwrap();
    idempotency::store(conn, "p", "r", "1", &json!({}))
        .await
        .unwrap();
    idempotency::forget_old(conn, 1_000).await.unwrap();
}

#[tokio::test]
async fn no_statement_scans_a_table_that_grows() {
    let (rig, mut conn) = filled().await;

    call_all(&rig, &mut conn).await;

    let plans = plans(&mut conn).await;
    assert!(
        plans.len() >= 22,
        "{} statements were prepared",
        plans.len()
    );
    for plan in &plans {
        assert!(!plan.scans(), "{}\n{}", plan.statement, plan.text);
    }
}

/// A plan is kept while the tables grow: what it does on small ones must be right for large ones.
/// (On a page or two all ways cost the same, and the server takes any.)
#[tokio::test]
async fn no_plan_of_a_small_table_goes_through_all_of_it() {
    let (rig, mut conn) = filled_with(1_000).await;
    call_all(&rig, &mut conn).await;
    for plan in plans(&mut conn).await {
        assert!(!plan.walks(), "{}\n{}", plan.statement, plan.text);
    }
}

#[tokio::test]
async fn the_test_itself_would_see_a_walk_through_an_index() {
    let (_rig, mut conn) = filled_with(60).await;
    sqlx::query("SELECT c.id FROM certificate c JOIN unnest($1::uuid[]) AS t (id) ON t.id = c.id")
        .bind([Uuid::nil()])
        .fetch_all(&mut conn)
        .await
        .unwrap();
    let plans = plans(&mut conn).await;
    assert!(plans[0].walks(), "{}", plans[0].text);
}

#[tokio::test]
async fn the_test_itself_would_see_a_sequential_scan() {
    let (_rig, mut conn) = filled().await;
    sqlx::query("SELECT id FROM certificate WHERE fault_code = $1")
        .bind("x")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    let plans = plans(&mut conn).await;
    assert!(plans[0].scans(), "{}", plans[0].text);
}
