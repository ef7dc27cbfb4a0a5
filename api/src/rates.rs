//! How the limits of a request are told: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers, structured fields).
//!
//! Invariant: what is left is this replica's estimate; `Retry-After` is what the limiter said.

use std::fmt::Write as _;
use std::time::Duration;

use certmill_coordination::GcraLimit;
use certmill_wire::ProblemCode;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::Error;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Limits with what is left of them; two at most apply to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates([Option<Rate>; 2]);

#[derive(Clone, Copy, Debug)]
struct Rate {
    name: &'static str,
    limit: GcraLimit,
    left: u32,
}

impl Rates {
    /// Of each limit its name, itself, and how many requests are left.
    pub(crate) fn of<const N: usize>(rates: [(&'static str, GcraLimit, u32); N]) -> Self {
        let mut of = [None; 2];
        for (place, (name, limit, left)) in of.iter_mut().zip(rates) {
            *place = Some(Rate { name, limit, left });
        }
        Self(of)
    }

    /// Writes both headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let (mut policy, mut left) = (String::new(), String::new());
        for rate in self.0.iter().flatten() {
            if !policy.is_empty() {
                policy.push_str(", ");
                left.push_str(", ");
            }
            let Rate { name, limit, .. } = rate;
            let (window, burst) = (whole_seconds(limit.window()), limit.burst);
            // Writing into a string does not fail.
            let _ = write!(policy, "\"{name}\";q={burst};w={window}");
            let _ = write!(left, "\"{name}\";r={};t={}", rate.left, rate.full_in_s());
        }
        for (name, text) in [(POLICY, policy), (LEFT, left)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

impl Rate {
    /// When the whole burst is there again, if nobody asks meanwhile.
    fn full_in_s(&self) -> u64 {
        let missing = self.limit.burst.saturating_sub(self.left);
        whole_seconds(self.limit.emission_interval.saturating_mul(missing))
    }
}

/// A request that came too often.
pub(crate) fn refusal(detail: String, retry_after: Duration, rates: Rates) -> Error {
    Error::new(ProblemCode::RateLimited, detail)
        .with_retry_after_s(whole_seconds(retry_after).max(1))
        .with_rates(rates)
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_say_what_there_is_and_what_is_left() {
        let (key, address) = (GcraLimit::per_second(100, 250), GcraLimit::per_second(1, 5));
        let mut headers = HeaderMap::new();
        Rates::of([("key", key, 249), ("address", address, 0)]).write(&mut headers);
        let text = |name: HeaderName| headers[name].to_str().unwrap().to_owned();
        assert_eq!(text(POLICY), r#""key";q=250;w=3, "address";q=5;w=5"#);
        assert_eq!(text(LEFT), r#""key";r=249;t=1, "address";r=0;t=5"#);
    }
}
