//! Budgets of CAs are exact over all takers, all or none, and keep their reserve.

use std::time::Duration;

use certmill_coordination::budget::{
    self, Budget, Charge, Granting, headroom, of_issuer, prune_grants, take,
};
use certmill_testkit::TestDb;
use tokio::task::JoinSet;
use uuid::Uuid;

async fn issuer(db: &TestDb) -> Uuid {
    sqlx::query("INSERT INTO lane (name) VALUES ('issue:far')")
        .execute(db.app())
        .await
        .unwrap();
    let insert = "INSERT INTO issuer (team_id, name, kind, lane) \
                  VALUES (1, 'far', 'rehearsal', 'issue:far') RETURNING id";
    sqlx::query_scalar(insert)
        .fetch_one(db.app())
        .await
        .unwrap()
}

async fn budgets(db: &TestDb, rows: &[(&str, i32, i64, i32)]) -> Vec<Budget> {
    let issuer = issuer(db).await;
    let mut conn = db.app().acquire().await.unwrap();
    for (scope, most, window_s, reserve) in rows {
        budget::set(&mut conn, issuer, scope, *most, *window_s, *reserve)
            .await
            .unwrap();
    }
    of_issuer(&mut conn, issuer).await.unwrap()
}

async fn one(db: &TestDb, charges: &[Charge<'_>], urgent: bool) -> Granting {
    let mut tx = certmill_pg::begin(db.app()).await.unwrap();
    let answer = take(&mut tx, Uuid::new_v4(), charges, urgent)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    answer
}

fn passed(answer: &Granting) -> bool {
    matches!(answer, Granting::Granted { .. })
}

async fn count(db: &TestDb, what: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {what}");
    let sql = sqlx::AssertSqlSafe(sql);
    sqlx::query_scalar(sql).fetch_one(db.app()).await.unwrap()
}

/// Rows of grants that have `most` others within the window before them.
const ABOVE: &str = "ca_grant g JOIN ca_budget b ON b.id = g.budget_id WHERE (\
    SELECT count(*) FROM ca_grant o WHERE o.budget_id = g.budget_id AND o.key = g.key \
    AND o.nth < g.nth AND o.granted_at > g.granted_at - make_interval(secs => b.window_s)) >= b.most";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_window_holds_more_whoever_asks() {
    let db = TestDb::new().await;
    let budgets = budgets(&db, &[("account", 20, 1, 0)]).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(4);
    let mut takers = JoinSet::new();
    for _ in 0..8 {
        let (pool, budget) = (db.app().clone(), budgets[0].clone());
        takers.spawn(async move {
            while tokio::time::Instant::now() < until {
                let charge = Charge {
                    budget: &budget,
                    key: "",
                };
                let mut tx = certmill_pg::begin(&pool).await.unwrap();
                let answer = take(&mut tx, Uuid::new_v4(), &[charge], false)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                if let Granting::Denied(denials) = answer {
                    tokio::time::sleep(denials[0].free_in).await;
                }
            }
        });
    }
    takers.join_all().await;
    assert_eq!(count(&db, ABOVE).await, 0);
    let given = count(&db, "ca_grant").await;
    assert!(given >= 60, "the budget is used: {given}");

    // The control: the same check finds one grant too many.
    sqlx::query(
        "UPDATE ca_grant SET granted_at = (SELECT min(granted_at) FROM ca_grant) WHERE nth <= 21",
    )
    .execute(db.app())
    .await
    .unwrap();
    assert!(count(&db, ABOVE).await > 0);
}

#[tokio::test]
async fn charges_are_granted_all_or_none_and_the_wait_is_named() {
    let db = TestDb::new().await;
    let rows = [("account", 10, 3_600, 0), ("registered_domain", 2, 1, 0)];
    let budgets = budgets(&db, &rows).await;
    let (account, domain) = (&budgets[0], &budgets[1]);
    let charges = |key| {
        [
            Charge {
                budget: account,
                key: "",
            },
            Charge {
                budget: domain,
                key,
            },
        ]
    };
    for _ in 0..2 {
        assert!(passed(&one(&db, &charges("a"), false).await));
    }
    let Granting::Denied(denials) = one(&db, &charges("a"), false).await else {
        panic!("the domain has used up its two")
    };
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].budget_id, domain.id);
    assert!(
        denials[0].free_in <= Duration::from_millis(1_100),
        "{denials:?}"
    );
    assert!(passed(&one(&db, &charges("b"), false).await));
    assert_eq!(
        count(&db, "ca_grant").await,
        6,
        "the denied one took nothing"
    );
    tokio::time::sleep(denials[0].free_in).await;
    assert!(passed(&one(&db, &charges("a"), false).await));
    assert!(passed(&one(&db, &[], false).await), "no budget, no bound");
}

#[tokio::test]
async fn the_reserve_is_for_what_is_urgent() {
    let db = TestDb::new().await;
    let budgets = budgets(&db, &[("account", 5, 3_600, 2)]).await;
    let charge = [Charge {
        budget: &budgets[0],
        key: "",
    }];
    for _ in 0..3 {
        assert!(passed(&one(&db, &charge, false).await));
    }
    assert!(!passed(&one(&db, &charge, false).await));
    for _ in 0..2 {
        assert!(passed(&one(&db, &charge, true).await));
    }
    assert!(!passed(&one(&db, &charge, true).await));
    let shown = headroom(db.app(), "account").await.unwrap();
    assert_eq!((shown[0].issuer.as_str(), shown[0].used), ("far", Some(5)));
}

#[tokio::test]
async fn the_forecast_follows_from_the_grants() {
    let db = TestDb::new().await;
    let budgets = budgets(&db, &[("account", 10, 50, 0)]).await;
    let charge = [Charge {
        budget: &budgets[0],
        key: "",
    }];
    let jobs = "INSERT INTO job (team_id, queue, kind, args) \
                SELECT 1, 'issue:far', 'issue', '{}' FROM generate_series(1, 25)";
    sqlx::query(jobs).execute(db.app()).await.unwrap();
    let clears = || async { headroom(db.app(), "account").await.unwrap()[0].clears_in_s };
    let near = |found: Option<f64>, wanted: f64| {
        assert!(
            found.is_some_and(|found| (found - wanted).abs() < 1.0),
            "{found:?}, {wanted}"
        );
    };
    // 10 at once, 10 after 51 s (the window and its margin), 5 after 102 s.
    near(clears().await, 102.0);
    for _ in 0..8 {
        assert!(passed(&one(&db, &charge, false).await));
    }
    // 2 at once, 8 when the granted are past, 2 and 8, and 5: the fourth turn.
    near(clears().await, 153.0);
}

#[tokio::test]
async fn a_clock_that_goes_back_gives_nothing_away() {
    let db = TestDb::new().await;
    let budgets = budgets(&db, &[("account", 3, 60, 0)]).await;
    let charge = [Charge {
        budget: &budgets[0],
        key: "",
    }];
    for _ in 0..3 {
        assert!(passed(&one(&db, &charge, false).await));
    }
    // As after a failover to a server whose clock is an hour behind.
    for table in [
        "ca_grant SET granted_at = granted_at",
        "ca_budget_key SET last_at = last_at",
    ] {
        let sql = format!("UPDATE {table} + interval '1 hour'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(db.app())
            .await
            .unwrap();
    }
    assert!(!passed(&one(&db, &charge, false).await));
    sqlx::query("UPDATE ca_grant SET granted_at = now() - interval '2 min' WHERE nth = 1")
        .execute(db.app())
        .await
        .unwrap();
    assert!(passed(&one(&db, &charge, false).await));
    let sql = "SELECT bool_and(o.granted_at <= g.granted_at) FROM ca_grant g \
               JOIN ca_grant o ON o.nth = g.nth - 1 WHERE g.nth > 2";
    let ordered: Option<bool> = sqlx::query_scalar(sql).fetch_one(db.app()).await.unwrap();
    assert_eq!(ordered, Some(true), "numbers and times agree");
}

#[tokio::test]
async fn old_grants_go_and_young_ones_stay() {
    let db = TestDb::new().await;
    let budgets = budgets(&db, &[("name_set", 5, 60, 0)]).await;
    for key in ["old", "young"] {
        let charge = [Charge {
            budget: &budgets[0],
            key,
        }];
        assert!(passed(&one(&db, &charge, false).await));
    }
    for table in [
        "ca_grant SET granted_at = granted_at",
        "ca_budget_key SET last_at = last_at",
    ] {
        let sql = format!("UPDATE {table} - interval '2 days' WHERE key = 'old'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(db.app())
            .await
            .unwrap();
    }
    while prune_grants(db.app()).await.unwrap() > 0 {}
    assert_eq!(count(&db, "ca_grant").await, 1);
    assert_eq!(count(&db, "ca_budget_key").await, 1);
    let charge = [Charge {
        budget: &budgets[0],
        key: "old",
    }];
    assert!(passed(&one(&db, &charge, false).await));
}
