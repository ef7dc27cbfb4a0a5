//! The issuer that leads to the CA.

use certmill_pg::Pool;
use certmill_queue::Hinter;
use certmill_service::issuers::{self, BudgetAsk};
use certmill_service::{Caller, Context, Error, Policy, profiles};
use serde_json::json;

use crate::Limit;

/// An issuer that is to be made, with a profile of its name.
#[derive(Debug, Clone)]
pub struct Rehearsed<'a> {
    /// Its name and that of its profile.
    pub name: &'a str,
    /// Where its CA answers.
    pub url: &'a str,
    /// What its CA accepts, which become its budgets, and how many of each are kept for what is most
    /// urgent.
    pub limits: &'a [(Limit, i32)],
    /// How long its certificates live.
    pub lifetime: time::Duration,
}

impl Rehearsed<'_> {
    /// Makes the issuer, its budgets and its profile.
    ///
    /// # Errors
    /// One of that name exists, a limit is out of bounds, or the database fails.
    pub async fn make(&self, pool: Pool) -> Result<(), Error> {
        let context = Context {
            pool,
            hinter: Hinter::none(),
            app_keys: None,
            policy: Policy {
                process_lease: time::Duration::seconds(5),
                acknowledge_sealed_keys: false,
            },
        };
        let caller = Caller::system("rehearsal");
        let issuer = issuers::Ask {
            name: self.name.to_owned(),
            kind: "rehearsal",
            config: json!({ "url": self.url }),
            budgets: self.limits.iter().map(budget).collect(),
        };
        issuers::add(&context, &caller, &issuer).await?;
        let profile = profiles::Ask::usual(self.name, self.name, self.lifetime);
        profiles::add(&context, &caller, profile).await?;
        Ok(())
    }
}

/// Numbers beyond what a row holds are refused by the service.
fn budget((limit, reserve): &(Limit, i32)) -> BudgetAsk {
    BudgetAsk {
        scope: limit.scope,
        most: i32::try_from(limit.most).unwrap_or(i32::MAX),
        window_s: i64::try_from(limit.window.as_secs()).unwrap_or(i64::MAX),
        reserve: *reserve,
    }
}
