//! The dates of a certificate, drawn when its order is planned.

use time::{Duration, OffsetDateTime};

/// not_before and not_after (RFC 5280, section 4.1.2.5), in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First instant of validity.
    pub not_before: OffsetDateTime,
    /// Last instant of validity.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// Plans the dates of a certificate that lives `lifetime` from `now` (the database's clock).
    ///
    /// not_before is backdated by min(5 minutes, 10 % of the lifetime), so that clients whose
    /// clocks lag accept it; not_after never passes `issuer_not_after`.
    #[must_use]
    pub fn plan(now: OffsetDateTime, lifetime: Duration, issuer_not_after: OffsetDateTime) -> Self {
        let backdate = Duration::min(lifetime / 10_i32, Duration::minutes(5));
        let not_after = (now + lifetime).min(issuer_not_after);
        Self {
            not_before: whole_second(now - backdate),
            not_after: whole_second(not_after),
        }
    }

    /// Whether a plan has aged so much before it was signed that it should be drawn anew:
    /// more than a tenth of the span that was planned from `planned_at` has passed.
    #[must_use]
    pub fn is_stale(&self, planned_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        let span = self.not_after - planned_at;
        now - planned_at > span / 10_i32
    }
}

fn whole_second(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_nanosecond(0).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const FAR: OffsetDateTime = datetime!(2099-01-01 00:00 UTC);

    #[test]
    fn backdating_is_bounded_by_five_minutes_and_a_tenth() {
        let now = datetime!(2026-03-01 12:00 UTC);
        let day = Validity::plan(now, Duration::days(90), FAR);
        assert_eq!(day.not_before, now - Duration::minutes(5));
        let minute = Validity::plan(now, Duration::seconds(60), FAR);
        assert_eq!(minute.not_before, now - Duration::seconds(6));
        assert_eq!(minute.not_after, now + Duration::seconds(60));
    }

    #[test]
    fn a_leaf_never_outlives_its_issuer() {
        let now = datetime!(2026-03-01 12:00 UTC);
        let issuer = now + Duration::hours(1);
        assert_eq!(
            Validity::plan(now, Duration::days(90), issuer).not_after,
            issuer
        );
    }

    #[test]
    fn a_plan_is_stale_after_a_tenth_of_its_span() {
        let now = datetime!(2026-03-01 12:00 UTC);
        let plan = Validity::plan(now, Duration::seconds(60), FAR);
        assert!(!plan.is_stale(now, now + Duration::seconds(6)));
        assert!(plan.is_stale(now, now + Duration::seconds(7)));
    }
}
