//! Do the authorities that issuers sign with live long enough for what they sign?

use certmill_pg::{Pool, vitals};
use certmill_store::ca_life::{self, CaLife};
use time::{Duration, OffsetDateTime};

use crate::patient::Answered;
use crate::{Check, Finding, Patient};

const ID: &str = "issuing_ca";
/// Time that a change of authorities takes people, on top of the longest leaf.
const NOTICE: Duration = Duration::days(30);

pub const CHECK: Check = Check {
    id: ID,
    look: |patient| Box::pin(look(patient)),
};

async fn look(patient: &Patient) -> Vec<Finding> {
    let seen = patient.ask(read).await;
    seen.map_or_else(Vec::new, |(lives, now)| judge(&lives, now))
}

async fn read(pool: &Pool) -> Answered<(Vec<CaLife>, OffsetDateTime)> {
    let now = vitals::clock(pool).await?;
    let mut conn = pool.acquire().await?;
    Ok((ca_life::in_use(&mut conn).await?, now))
}

fn judge(lives: &[CaLife], now: OffsetDateTime) -> Vec<Finding> {
    let one = |life: &CaLife| {
        let left = life.not_after - now;
        let what = format!(
            "{} ends {} ({} days left)",
            life.name,
            life.not_after,
            left.whole_days()
        );
        let fix = "roll the authority over while the old one still lives";
        if left <= Duration::ZERO {
            let why = "nothing it signs is trusted any more, and signing is refused";
            Finding::fail(ID, what, why, fix)
        } else if left < Duration::seconds(life.longest_leaf_s) + NOTICE {
            let why = "it ends before the certificates that it is asked for, so that they are \
                       cut short";
            Finding::warn(ID, what, why, fix)
        } else {
            Finding::ok(ID, what)
        }
    };
    lives.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn an_authority_must_outlive_what_it_signs() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let level = |days: i64, leaf_days: i64| {
            let life = CaLife {
                name: "issuing".to_owned(),
                not_after: now + Duration::days(days),
                longest_leaf_s: leaf_days * 86_400,
            };
            judge(&[life], now)[0].level
        };
        assert_eq!(level(121, 90), Level::Ok);
        assert_eq!(level(119, 90), Level::Warn);
        assert_eq!(level(0, 90), Level::Fail);
    }
}
