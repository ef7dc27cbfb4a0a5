//! What may be asked of a CA: grants in exact windows, numbered by key.
//!
//! Invariant: of one budget and key, at most `most` grants lie in any window of its length and a
//! margin, by the database's clock, and at most `most - reserve` while only calm ones ask. A grant is
//! to be used within the margin.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use certmill_pg::Pool;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::Result;

/// A budget of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Budget {
    /// Its id.
    pub id: Uuid,
    /// What its keys are: a word that the caller knows.
    pub scope: String,
    /// Grants in any window.
    pub most: i32,
    /// The window's length in seconds, as the CA counts it.
    pub window_s: i64,
    /// How many of `most` only urgent asks may take.
    pub reserve: i32,
}

impl Budget {
    /// How long a grant is good for: a fiftieth of the window, 0.1 s to 30 s. Grants are counted in a
    /// window that is longer by this.
    #[must_use]
    pub fn margin(&self) -> Duration {
        let window = Duration::from_secs(u64::try_from(self.window_s).unwrap_or_default());
        (window / 50).clamp(Duration::from_millis(100), Duration::from_secs(30))
    }

    fn counted(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.window_s).unwrap_or_default()) + self.margin()
    }
}

/// One grant that an order needs.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Of this budget ..
    pub budget: &'a Budget,
    /// .. under this key.
    pub key: &'a str,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granting {
    /// All were granted; they are good for this long from the moment at which they were asked for.
    Granted {
        /// The shortest margin of the budgets.
        good_for: Duration,
    },
    /// None was granted.
    Denied(Vec<Denial>),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The budget that is used up.
    pub budget_id: Uuid,
    /// Until one grant is free again, if nobody takes it.
    pub free_in: Duration,
    /// Until a twentieth of the budget is.
    pub some_free_in: Duration,
}

/// The budgets of an issuer, in a stable order.
///
/// # Errors
/// The database's.
pub async fn of_issuer(conn: &mut PgConnection, issuer: Uuid) -> Result<Vec<Budget>> {
    Ok(sqlx::query_as(
        "SELECT id, scope, most, window_s, reserve FROM ca_budget WHERE issuer_id = $1 \
         ORDER BY scope, window_s",
    )
    .bind(issuer)
    .fetch_all(conn)
    .await?)
}

/// Sets a budget of an issuer, or changes the one of that scope and window.
///
/// # Errors
/// The database's: `most` must be 1 or more, `reserve` less than that.
pub async fn set(
    conn: &mut PgConnection,
    issuer: Uuid,
    scope: &str,
    most: i32,
    window_s: i64,
    reserve: i32,
) -> Result<Uuid> {
    Ok(sqlx::query_scalar(
        "INSERT INTO ca_budget (issuer_id, scope, most, window_s, reserve) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (issuer_id, scope, window_s) \
         DO UPDATE SET most = excluded.most, reserve = excluded.reserve RETURNING id",
    )
    .bind(issuer)
    .bind(scope)
    .bind(most)
    .bind(window_s)
    .bind(reserve)
    .fetch_one(conn)
    .await?)
}

/// Takes one grant of each charge for `order`, all or none, in the caller's transaction. No two
/// charges may have both budget and key in common. Rows of keys stay locked until the transaction
/// ends, so nothing may be waited for in between.
///
/// # Errors
/// The database's.
pub async fn take(
    conn: &mut PgConnection,
    order: Uuid,
    charges: &[Charge<'_>],
    urgent: bool,
) -> Result<Granting> {
    let good_for = charges.iter().map(|charge| charge.budget.margin()).min();
    let Some(good_for) = good_for else {
        return Ok(Granting::Granted {
            good_for: Duration::from_secs(30),
        });
    };
    let bound = Bound::of(charges);
    let mut tx = conn.begin().await?;
    while !bound.lock(&mut tx).await? {}
    let denials = bound.denials(&mut tx, urgent).await?;
    if !denials.is_empty() {
        tx.rollback().await?;
        return Ok(Granting::Denied(denials));
    }
    bound.grant(&mut tx, order).await?;
    tx.commit().await?;
    Ok(Granting::Granted { good_for })
}

/// The charges as columns.
struct Bound {
    budgets: Vec<Uuid>,
    keys: Vec<String>,
    most: Vec<i64>,
    reserve: Vec<i64>,
    window_us: Vec<i64>,
}

#[derive(sqlx::FromRow)]
struct DenialRow {
    budget_id: Uuid,
    free_in_us: i64,
    some_free_in_us: i64,
}

impl Bound {
    fn of(charges: &[Charge<'_>]) -> Self {
        let window = |charge: &Charge<'_>| {
            i64::try_from(charge.budget.counted().as_micros()).unwrap_or(i64::MAX)
        };
        Self {
            budgets: charges.iter().map(|charge| charge.budget.id).collect(),
            keys: charges.iter().map(|charge| charge.key.to_owned()).collect(),
            most: charges
                .iter()
                .map(|charge| charge.budget.most.into())
                .collect(),
            reserve: charges
                .iter()
                .map(|charge| charge.budget.reserve.into())
                .collect(),
            window_us: charges.iter().map(window).collect(),
        }
    }

    /// Whether all heads are locked; one that was pruned in between is not.
    async fn lock(&self, conn: &mut PgConnection) -> Result<bool> {
        sqlx::query(include_str!("sql/budget_keys.sql"))
            .bind(&self.budgets)
            .bind(&self.keys)
            .execute(&mut *conn)
            .await?;
        let locked = sqlx::query(include_str!("sql/budget_lock.sql"))
            .bind(&self.budgets)
            .bind(&self.keys)
            .fetch_all(conn)
            .await?;
        Ok(locked.len() == self.budgets.len())
    }

    async fn denials(&self, conn: &mut PgConnection, urgent: bool) -> Result<Vec<Denial>> {
        let rows: Vec<DenialRow> = sqlx::query_as(include_str!("sql/budget_denials.sql"))
            .bind(&self.budgets)
            .bind(&self.keys)
            .bind(&self.most)
            .bind(&self.reserve)
            .bind(&self.window_us)
            .bind(urgent)
            .fetch_all(conn)
            .await?;
        let wait = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or_default());
        let denial = |row: DenialRow| Denial {
            budget_id: row.budget_id,
            free_in: wait(row.free_in_us),
            some_free_in: wait(row.some_free_in_us),
        };
        Ok(rows.into_iter().map(denial).collect())
    }

    async fn grant(&self, conn: &mut PgConnection, order: Uuid) -> Result<()> {
        sqlx::query(include_str!("sql/budget_grant.sql"))
            .bind(&self.budgets)
            .bind(&self.keys)
            .bind(order)
            .execute(conn)
            .await?;
        Ok(())
    }
}

/// What is left of a budget, as it is shown.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Headroom {
    /// The issuer.
    pub issuer_id: Uuid,
    /// The issuer's name.
    pub issuer: String,
    /// What its keys are.
    pub scope: String,
    /// Grants in any window.
    pub most: i32,
    /// The window's length in seconds.
    pub window_s: i64,
    /// How many only urgent asks may take.
    pub reserve: i32,
    /// Grants within the window, where one key holds for all orders.
    pub used: Option<i64>,
    /// Jobs that wait in the issuer's lane, counted to a bound, likewise.
    pub waiting: Option<i64>,
    /// When the last of them will have its grant, in seconds, if this budget is what they wait for.
    pub clears_in_s: Option<f64>,
}

/// Waiting jobs are counted up to this.
const MOST_COUNTED: i64 = 100_000;

/// All budgets, by issuer; `one_key` is the scope whose only key is the empty one.
///
/// # Errors
/// The database's.
pub async fn headroom(pool: &Pool, one_key: &str) -> Result<Vec<Headroom>> {
    Ok(sqlx::query_as(include_str!("sql/budget_headroom.sql"))
        .bind(MOST_COUNTED)
        .bind(one_key)
        .fetch_all(pool)
        .await?)
}

/// Removes grants that no window of their budget reaches any more, a day later, and keys without any;
/// 10 000 rows at most.
///
/// # Errors
/// The database's.
pub async fn prune_grants(pool: &Pool) -> Result<u64> {
    let gone: i64 = sqlx::query_scalar(include_str!("sql/budget_prune.sql"))
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(gone).unwrap_or_default())
}
