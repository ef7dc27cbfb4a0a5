//! What every issuer must do, whatever it speaks: run by each connector's tests.
//!
//! Invariant: the suite knows no connector; it drives one the way a worker does,
//! with crashes in between.

use std::error::Error;
use std::time::Duration;

use certmill_crypto::chain::{Chain, Expected, signed_bytes_sha256, verify_issued};
use certmill_domain::revocation::RevocationReason;
use serde_json::json;
use time::OffsetDateTime;

use crate::{Ask, Fault, FaultClass, Issuer, Remote, Revocation, Step};

/// More steps than any order needs.
const STEPS_MAX: usize = 50;
/// Longer than any connector should ask to wait in one go.
const CHECK_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Makes a fresh issuer, as another process would after a crash.
pub type Connect<'a> = dyn Fn() -> Result<Box<dyn Issuer>, Fault> + Send + Sync + 'a;

/// A rule that the issuer broke.
#[derive(Debug, thiserror::Error)]
#[error("{rule}: {found}")]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen instead.
    pub found: String,
}

impl Violation {
    fn of(rule: &'static str) -> impl Fn(&dyn Error) -> Self {
        move |error| Self {
            rule,
            found: error.to_string(),
        }
    }

    fn new(rule: &'static str, found: impl Into<String>) -> Self {
        Self {
            rule,
            found: found.into(),
        }
    }
}

/// Runs the whole suite against one order.
///
/// `now` is the clock that issued certificates are judged by. Pending orders are
/// stepped again at once: a test's CA must not need real waiting.
///
/// # Errors
/// The first [`Violation`].
pub async fn run(connect: &Connect<'_>, ask: &Ask, now: OffsetDateTime) -> Result<(), Violation> {
    let issuer = connect().map_err(|fault| Violation::of("connect succeeds")(&fault))?;
    issuer
        .probe()
        .await
        .map_err(|fault| Violation::of("probe succeeds")(&fault))?;
    let (states, first) = drive(issuer.as_ref(), ask, Remote::start()).await?;
    verify(issuer.as_ref(), ask, &first, now)?;
    for state in states {
        resume(connect, ask, &state, &first, now).await?;
    }
    survive_garbage(connect, ask).await?;
    refuse_or_revoke(issuer.as_ref(), &first).await
}

/// Steps to the end; returns every state that a worker would have stored.
async fn drive(
    issuer: &dyn Issuer,
    ask: &Ask,
    from: Remote,
) -> Result<(Vec<Remote>, Vec<Vec<u8>>), Violation> {
    let mut states = vec![from.clone()];
    let mut remote = from;
    for _ in 0..STEPS_MAX {
        let step = issuer.step(ask, remote).await;
        remote = match step.map_err(|fault| Violation::of("a step succeeds")(&fault))? {
            Step::Continue(next) => next,
            Step::Pending {
                remote,
                check_after,
            } => {
                if check_after.is_zero() || check_after > CHECK_AFTER_MAX {
                    let found = format!("{check_after:?}");
                    return Err(Violation::new(
                        "check_after is above zero, at most a day",
                        found,
                    ));
                }
                remote
            }
            Step::Issued { chain } => return Ok((states, chain)),
        };
        states.push(remote.clone());
    }
    Err(Violation::new(
        "an order ends",
        format!("still going after {STEPS_MAX} steps"),
    ))
}

fn verify(
    issuer: &dyn Issuer,
    ask: &Ask,
    issued: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<(), Violation> {
    let chain = Chain::from_ders(issued.to_vec())
        .map_err(|error| Violation::of("the chain links")(&error))?;
    if chain.ders() != issued {
        return Err(Violation::new(
            "the chain comes leaf first",
            "another order",
        ));
    }
    let expected = Expected {
        spki_der: ask.public_key.spki_der(),
        names: &ask.names,
        planned: issuer
            .powers()
            .keeps_plan
            .then_some((&ask.serial, &ask.validity)),
        now,
    };
    verify_issued(&chain, &expected)
        .map_err(|error| Violation::of("what is issued is what was asked for")(&error))
}

/// A crash after `state` was stored, then a crash before the next state was stored.
async fn resume(
    connect: &Connect<'_>,
    ask: &Ask,
    state: &Remote,
    first: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<(), Violation> {
    let issuer = connect().map_err(|fault| Violation::of("connect succeeds again")(&fault))?;
    let lost = issuer.step(ask, state.clone()).await;
    lost.map_err(|fault| Violation::of("a step can be repeated")(&fault))?;
    let (_, again) = drive(issuer.as_ref(), ask, state.clone()).await?;
    verify(issuer.as_ref(), ask, &again, now)?;
    if state.is_start() && issuer.powers().calls_out {
        // Its CA may not know an order by anything of ours; what it made is an orphan.
        return Ok(());
    }
    let signed = |chain: &[Vec<u8>]| {
        chain
            .first()
            .and_then(|leaf| signed_bytes_sha256(leaf).ok())
    };
    if signed(first) != signed(&again) {
        let found = format!("another certificate after a crash at {}", state.0);
        return Err(Violation::new(
            "a resumed order gives the same certificate",
            found,
        ));
    }
    Ok(())
}

/// A state that nobody wrote ends in a fault that no retry repeats, never in a panic.
async fn survive_garbage(connect: &Connect<'_>, ask: &Ask) -> Result<(), Violation> {
    let rule = "an unknown state is a fault of class Rejected or Misconfigured";
    let states = [
        json!(false),
        json!(-1),
        json!("x"),
        json!([[]]),
        json!({"a": {"b": null}}),
    ];
    for state in states {
        let issuer = connect().map_err(|fault| Violation::of("connect succeeds again")(&fault))?;
        match issuer.step(ask, Remote(state.clone())).await {
            Err(fault)
                if matches!(
                    fault.class,
                    FaultClass::Rejected | FaultClass::Misconfigured
                ) => {}
            Err(fault) => return Err(Violation::new(rule, format!("{fault} for {state}"))),
            Ok(_) => return Err(Violation::new(rule, format!("{state} was taken"))),
        }
    }
    Ok(())
}

async fn refuse_or_revoke(issuer: &dyn Issuer, issued: &[Vec<u8>]) -> Result<(), Violation> {
    let rule = "revoke does what powers() says, also when repeated";
    let Some(leaf) = issued.first() else {
        return Err(Violation::new("a chain has a leaf", "an empty chain"));
    };
    let revocation = Revocation {
        certificate_der: leaf.clone(),
        reason: RevocationReason::Superseded,
    };
    for _ in 0..2 {
        match (issuer.powers().revokes, issuer.revoke(&revocation).await) {
            (true, Ok(())) => {}
            (false, Err(fault)) if fault.class == FaultClass::Unsupported => {}
            (_, Ok(())) => return Err(Violation::new(rule, "it revoked without that power")),
            (_, Err(fault)) => return Err(Violation::new(rule, fault.to_string())),
        }
    }
    Ok(())
}
