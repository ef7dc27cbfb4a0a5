//! The test of the checkers: silent on a fresh database, and each finds what is planted for it.
//!
//! Invariant: a checker without a plant fails the test, so that none can be blind unnoticed.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::collections::BTreeSet;

use certmill_loadtest::checks;
use certmill_pg::{ConnectOptions, connect_one};
use certmill_testkit::TestDb;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Rows that would need many columns, in few words. Foreign keys are not checked here.
const SHORTHAND: &str = "
CREATE FUNCTION pg_temp.cert(n int, life interval, renew interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO certificate (id, team_id, name, names, profile_id, issuer_id, key_source, csr_der, spki_sha256,
        status, generation, version_id, not_after, renew_at, created_at)
    VALUES (lpad(n::text, 32, '0')::uuid, 1, 'c' || n, '{}', new_id(), new_id(), 'csr', '', '', 'issued', 1,
        lpad((n * 100 + 1)::text, 32, '0')::uuid, now() + life, now() + renew, now() - interval '5 min') $$;
CREATE FUNCTION pg_temp.ver(n int, generation int, issued interval, ends interval, serial text)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO version (id, team_id, certificate_id, generation, order_id, issuer_id, serial, not_before, not_after,
        issued_at, fingerprint, spki_sha256, leaf_der, chain_der)
    VALUES (lpad((n * 100 + generation)::text, 32, '0')::uuid, 1, lpad(n::text, 32, '0')::uuid, generation,
        new_id(), lpad('9', 32, '0')::uuid, decode(serial, 'hex'), now() + issued, now() + ends, now() + issued,
        '', '', '', '{}') $$;
CREATE FUNCTION pg_temp.crl(number int, made interval, ends interval, der text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO crl (ca_key_id, number, revision, this_update, next_update, entries, sha256, der)
    VALUES (lpad('8', 32, '0')::uuid, number, 1, now() + made, now() + ends, 0, sha256(decode(der, 'hex')),
        decode(der, 'hex')) $$;
CREATE FUNCTION pg_temp.ca(ends interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO crl_head (ca_key_id, drawn) VALUES (lpad('8', 32, '0')::uuid, 9);
    INSERT INTO ca_key (id, name, certificate_der, not_after, kek_id, key_sealed, created_at)
    VALUES (lpad('8', 32, '0')::uuid, 'x', '', now() + ends, 'k', 'k', now() - interval '1 day') $$;
CREATE FUNCTION pg_temp.ord(n int, state text, serial text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO cert_order (team_id, certificate_id, generation, issuer_id, state, serial, not_before, not_after)
    VALUES (1, lpad(n::text, 32, '0')::uuid, 1, lpad('9', 32, '0')::uuid, state, decode(serial, 'hex'),
        now(), now() + interval '1 min') $$;
CREATE FUNCTION pg_temp.ca(operation text, ca_order bigint, accepted boolean) RETURNS void LANGUAGE sql AS $$
    INSERT INTO harness.h_ca (operation, ca_order, accepted) VALUES (operation, ca_order, accepted) $$;
CREATE FUNCTION pg_temp.far(n int, generation int, ca_order int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO cert_order (team_id, certificate_id, generation, issuer_id, state, serial, not_before, not_after, remote)
    VALUES (1, lpad(n::text, 32, '0')::uuid, generation, lpad('9', 32, '0')::uuid, 'failed',
        decode(lpad(ca_order::text, 32, '0'), 'hex'), now(), now() + interval '1 min',
        jsonb_build_object('finalized', jsonb_build_object('order', ca_order))) $$;
CREATE FUNCTION pg_temp.job(n bigint, state int, due interval, attempt int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO job (id, team_id, queue, kind, state, run_at, attempt, max_attempts, worker_id, lease_token, deadline_at)
    OVERRIDING SYSTEM VALUE VALUES (n, 1, 'q', 'k', state, now() + due, attempt, 3, 7, 1, now()) $$;
CREATE FUNCTION pg_temp.ended(n bigint, outcome int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO job_history (id, team_id, queue, kind, priority, outcome, attempt, max_attempts, lost, fence, run_at,
        created_at, finalized_at, args)
    VALUES (n, 1, 'q', 'k', 2, outcome, 1, 3, 0, 1, now(), now(), now(), '{}') $$;
CREATE FUNCTION pg_temp.ev(n bigint, ev text, fence int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO harness.job_events (job_id, ev, fence, worker) VALUES (n, ev, fence, 7) $$;
CREATE FUNCTION pg_temp.asked(op text, outcome text, name text, n int, job bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO harness.h_enqueue VALUES (op || name, op, name, outcome, lpad(n::text, 32, '0')::uuid, job, now(), now()) $$;
CREATE FUNCTION pg_temp.sched() RETURNS void LANGUAGE sql AS $$
    INSERT INTO schedule (name, period, team_id, queue, kind, first_slot, next_slot)
    VALUES ('s', '2 s', 1, 'q', 'k', '2030-01-01 00:00Z', '2030-01-01 00:00:04Z') $$;
CREATE FUNCTION pg_temp.tick(second int, job bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO schedule_tick (schedule, slot, epoch, job_id, skipped)
    VALUES ('s', '2030-01-01 00:00Z'::timestamptz + second * interval '1 s', 1, job, job IS NULL) $$;
";

/// A checker's file and what is planted for it, one case after the other.
const PLANTS: &[(&str, &[&str])] = &[
    (
        "I1a_acknowledged_is_kept",
        &["SELECT pg_temp.asked('request', 'ok', 'c1', 1, 1)"],
    ),
    (
        "I1b_failure_leaves_nothing",
        &[
            "SELECT pg_temp.cert(1, '1 min', '1 min'), pg_temp.asked('request', 'fail', 'c1', NULL, NULL)",
        ],
    ),
    (
        "I1c_acknowledged_is_worked_on",
        &[
            "SELECT pg_temp.asked('request', 'ok', 'c1', 1, 1), pg_temp.ended(1, 3)",
            "SELECT pg_temp.asked('request', 'ok', 'c1', 1, 1), pg_temp.ended(1, 2)",
        ],
    ),
    (
        "I2a_one_end_a_job",
        &["SELECT pg_temp.ev(1, 'completed', 1), pg_temp.ev(1, 'discarded', 1)"],
    ),
    (
        "I2b_stale_fence_changes_nothing",
        &["SELECT pg_temp.ev(1, 'claimed', 3), pg_temp.ev(1, 'completed', 1)"],
    ),
    (
        "I2c_fences_rise",
        &["SELECT pg_temp.ev(1, 'claimed', 3), pg_temp.ev(1, 'claimed', 3)"],
    ),
    (
        "I2d_state_agrees_with_events",
        &[
            "SELECT pg_temp.ended(1, 2)",
            "SELECT pg_temp.job(1, 1, '0', 1)",
            "SELECT pg_temp.job(1, 0, '0', 1), pg_temp.ended(1, 3)",
        ],
    ),
    (
        "I2e_one_version_a_generation",
        &[
            "SELECT pg_temp.ver(1, 1, '0', '1 min', 'a1'); UPDATE version SET id = new_id(); \
         SELECT pg_temp.ver(1, 1, '0', '1 min', 'a2')",
        ],
    ),
    (
        "I3a_epochs_rise",
        &[
            "INSERT INTO harness.leader_epochs (name, epoch) VALUES ('scheduler', 2), ('scheduler', 2)",
        ],
    ),
    (
        "I3b_old_epoch_emits_nothing",
        &[
            "INSERT INTO harness.leader_epochs (name, epoch) VALUES ('scheduler', 2); \
         INSERT INTO harness.ticks (schedule, slot, epoch) VALUES ('s', now(), 1)",
        ],
    ),
    (
        "I4a_each_slot_one_row",
        &[
            "SELECT pg_temp.sched(), pg_temp.tick(2, 1)",
            "SELECT pg_temp.sched(), pg_temp.tick(0, 1), pg_temp.tick(1, 1), pg_temp.tick(2, 1)",
            "SELECT pg_temp.sched(), pg_temp.tick(0, 1), pg_temp.tick(0, 1), pg_temp.tick(2, 1)",
        ],
    ),
    (
        "I4b_each_tick_its_own_job",
        &[
            "SELECT pg_temp.tick(0, 1)",
            "SELECT pg_temp.job(1, 0, '0', 1), pg_temp.tick(0, 1), pg_temp.tick(2, 1)",
        ],
    ),
    (
        "I6a_nothing_is_expired",
        &["SELECT pg_temp.cert(1, '-1 s', '-20 s')"],
    ),
    (
        "I6b_due_has_live_work",
        &["SELECT pg_temp.cert(1, '1 min', '-20 s')"],
    ),
    (
        "I6c_never_was_expired",
        &[
            "SELECT pg_temp.ver(1, 1, '-70 s', '-10 s', 'a1'), pg_temp.ver(1, 2, '-9 s', '1 min', 'a2')",
        ],
    ),
    (
        "I6d_certificate_shows_its_newest_version",
        &["SELECT pg_temp.cert(1, '1 min', '1 min'), pg_temp.ver(1, 2, '0', '1 min', 'a1')"],
    ),
    (
        "I7a_one_live_order",
        &[
            "SELECT pg_temp.ord(1, 'planned', 'a1'), pg_temp.ord(1, 'pending', 'a2')",
            "SELECT pg_temp.ord(1, 'issued', 'a1')",
        ],
    ),
    (
        "I7b_one_finalize_a_generation",
        &[
            "SELECT pg_temp.ca('finalize', 1, true)",
            "SELECT pg_temp.far(1, 1, 5), pg_temp.far(1, 1, 6), pg_temp.ca('finalize', 5, true), \
             pg_temp.ca('finalize', 6, true)",
        ],
    ),
    (
        "I7c_orphans_have_a_fault",
        &["SELECT pg_temp.ca('new_order', 1, true)"],
    ),
    (
        "I9c_one_audit_row_a_change",
        &[
            "SELECT pg_temp.ver(1, 1, '0', '1 min', 'a1')",
            "SELECT pg_temp.asked('request', 'ok', 'c1', 1, 1)",
            "INSERT INTO audit (team_id, actor, action, object, detail) \
         VALUES (1, 'a', 'certificate.issue', 'o', '{\"serial\": \"a1\"}')",
        ],
    ),
    (
        "I8a_sealed_under_registered_keys",
        &[
            "SELECT pg_temp.cert(1, '1 min', '1 min'); UPDATE certificate SET key_source = 'sealed', kek_id = 'gone', key_sealed = '\\x01'",
            "INSERT INTO kek (id, purpose) VALUES ('0011223344556677', 'app'); \
             SELECT pg_temp.cert(1, '1 min', '1 min'); \
             UPDATE certificate SET key_source = 'sealed', kek_id = '0011223344556677', key_sealed = '\\x018877665544332211'",
        ],
    ),
    (
        "I22b_no_serial_is_signed_by_two",
        &[
            "SELECT pg_temp.ver(1, 1, '0', '1 min', 'a1'), pg_temp.ord(1, 'issued', 'a1'); \
             INSERT INTO ca_key (id, name, certificate_der, not_after, kek_id, key_sealed) \
             VALUES (new_id(), 'k', '\\x01', now(), 'k', '\\x00'); \
             UPDATE cert_order SET ca_key_id = (SELECT id FROM ca_key); \
             UPDATE version SET order_id = (SELECT id FROM cert_order)",
        ],
    ),
    (
        "I13_attempts_bounded",
        &["SELECT pg_temp.job(1, 0, '0', 4)"],
    ),
    (
        "I14a_no_window_is_overdrawn",
        &[
            "INSERT INTO ca_budget (id, issuer_id, scope, most, window_s) \
             VALUES (lpad('5', 32, '0')::uuid, new_id(), 'account', 1, 60); \
             INSERT INTO ca_grant (budget_id, key, nth, granted_at, order_id) SELECT \
             lpad('5', 32, '0')::uuid, '', n, now() + n * interval '50 s', new_id() FROM generate_series(1, 2) n",
        ],
    ),
    (
        "I14b_the_ca_refused_nothing",
        &["SELECT pg_temp.ca('new_order', NULL, false)"],
    ),
    (
        "I20a_all_moved_since_the_last_fault",
        &[
            "INSERT INTO harness.phase VALUES ('healed', now()); SELECT pg_temp.job(1, 0, '-1 s', 1)",
            "INSERT INTO harness.phase VALUES ('healed', now()); SELECT pg_temp.cert(1, '1 min', '-1 s')",
        ],
    ),
    (
        "I20b_nothing_waits_a_minute",
        &[
            "SELECT pg_temp.job(1, 0, '-61 s', 1)",
            "SELECT pg_temp.job(1, 1, '0', 1); INSERT INTO process (id, role, label, version, lease, expires_at) \
         OVERRIDING SYSTEM VALUE VALUES (7, 'worker', 'w', '1', '5 s', now() - interval '61 s')",
        ],
    ),
    (
        "I22_serials",
        &[
            "SELECT pg_temp.ver(1, 1, '0', '1 min', 'a1'), pg_temp.ver(2, 1, '0', '1 min', 'a1')",
            "SELECT pg_temp.ver(1, 1, '0', '1 min', '00000000000000000000000000000001')",
        ],
    ),
    (
        "I21a_list_numbers_rise",
        &[
            "SELECT pg_temp.ca('1 day'), pg_temp.crl(1, '0', '1 day', 'a1'), pg_temp.crl(2, '-1 s', '1 day', 'a2')",
            "SELECT pg_temp.ca('1 day'), pg_temp.crl(10, '0', '1 day', 'a1')",
        ],
    ),
    (
        "I21b_a_number_is_one_list",
        &[
            "SELECT pg_temp.crl(1, '0', '1 day', 'a1'), pg_temp.crl(1, '0', '1 day', 'a2')",
            "SELECT pg_temp.crl(1, '0', '1 day', 'a1'); UPDATE crl SET der = 'x'",
        ],
    ),
    (
        "I21c_lists_are_fresh",
        &[
            "SELECT pg_temp.ca('1 day')",
            "SELECT pg_temp.ca('1 day'), pg_temp.crl(1, '-2 s', '-1 s', 'a1')",
        ],
    ),
    (
        "I21d_revoked_is_listed",
        &[
            "SELECT pg_temp.ver(1, 1, '-1 h', '1 h', 'a1a1'); SELECT pg_temp.crl(1, '0', '1 day', 'a1'); \
             UPDATE version SET ca_key_id = lpad('8', 32, '0')::uuid, revocation_reason = 1, \
                 revoked_at = now() - interval '11 min'",
            "SELECT pg_temp.ver(1, 1, '-1 h', '1 h', 'a1a1'); \
             UPDATE version SET ca_key_id = lpad('8', 32, '0')::uuid, revocation_reason = 1, \
                 revoked_at = now() - interval '11 min'",
        ],
    ),
    (
        "I23_nothing_outside_its_profile",
        &[
            "SELECT pg_temp.ver(1, 1, '0', '-1 s', 'a1')",
            "SELECT pg_temp.ca('1 min'), pg_temp.ver(1, 1, '0', '1 h', 'a1'); \
             UPDATE version SET ca_key_id = lpad('8', 32, '0')::uuid",
            "SELECT pg_temp.cert(1, '1 h', '1 h'), pg_temp.ver(1, 1, '0', '1 h', 'a1'); \
             INSERT INTO profile (id, team_id, name, issuer_id, lifetime_s, key_algorithms, key_source, renew_fraction) \
             SELECT profile_id, 1, 'p', issuer_id, 60, '{}', 'csr', 0.5 FROM certificate",
        ],
    ),
    (
        "I24_who_was_asked_to_end_did",
        &[
            "INSERT INTO harness.asked_to_end VALUES (7, 'worker', now() - interval '1 s'); SELECT pg_temp.ev(1, 'claimed', 1)",
            "INSERT INTO harness.asked_to_end VALUES (7, 'worker', now()); SELECT pg_temp.job(1, 1, '0', 1)",
        ],
    ),
];

#[tokio::test]
async fn each_checker_is_silent_on_a_fresh_database_and_finds_its_plant() {
    let db = TestDb::new().await;
    sqlx::raw_sql(AssertSqlSafe(checks::read("harness.sql").unwrap()))
        .execute(db.owner())
        .await
        .unwrap();
    assert_eq!(checks::violations(db.owner()).await.unwrap(), []);
    let planted: BTreeSet<String> = PLANTS
        .iter()
        .map(|plant| format!("{}.sql", plant.0))
        .collect();
    assert_eq!(
        planted,
        checks::names()
            .unwrap()
            .into_iter()
            .collect::<BTreeSet<_>>(),
        "a checker without a plant"
    );
    let mut conn = connect_one(&db.superuser_url(), &ConnectOptions::new("test"))
        .await
        .unwrap();
    run(&mut conn, SHORTHAND).await;
    for (name, plants) in PLANTS {
        for plant in *plants {
            assert!(
                finds(&mut conn, name, plant).await,
                "{name} does not see: {plant}"
            );
        }
    }
    conn.close().await.unwrap();
}

/// Plants in a transaction that is rolled back; triggers, foreign keys and the unique constraints
/// that would keep the plant out are off.
async fn finds(conn: &mut PgConnection, name: &str, plant: &'static str) -> bool {
    let mut tx = conn.begin().await.unwrap();
    run(
        &mut tx,
        "SET LOCAL session_replication_role = replica; \
         ALTER TABLE version DROP CONSTRAINT version_generation_unique, DROP CONSTRAINT version_serial_unique; \
         ALTER TABLE job DROP CONSTRAINT job_attempts_bounded; \
         ALTER TABLE schedule_tick DROP CONSTRAINT schedule_tick_pkey; DROP INDEX cert_order_live_unique; \
         ALTER TABLE crl DROP CONSTRAINT crl_pkey",
    )
    .await;
    run(&mut tx, plant).await;
    let found = checks::run(&mut tx, &format!("{name}.sql")).await.unwrap();
    tx.rollback().await.unwrap();
    !found.is_empty()
}

async fn run(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql)
        .execute(conn)
        .await
        .unwrap_or_else(|why| panic!("{why}: {sql}"));
}
