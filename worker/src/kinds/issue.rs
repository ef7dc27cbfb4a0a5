//! The kind `issue`: asks the issuer for (certificate, generation), one step at a time, and verifies
//! what comes back before it is stored.

use super::{Tools, args};
use crate::issuers::Issuers;
use crate::outcome::{Outcome, decide};
use certmill_crypto::chain::{Chain, Expected, verify_issued};
use certmill_crypto::csr::Csr;
use certmill_crypto::digest::sha256;
use certmill_domain::order::OrderState;
use certmill_domain::renewal::RenewalRule;
use certmill_domain::serial::Serial;
use certmill_domain::waiting;
use certmill_queue::ClaimedJob;
use certmill_service::Error;
use certmill_service::effects::issue::{Effect, IssueArgs};
use certmill_service::issuing::{self, Load, Task};
use certmill_service::submitting::{Submission, close_lane, submit};
use certmill_spi::{Ask, Fault, Issuer, RATE_LIMITED, Remote, Step};
use rand::RngExt;
use std::time::Instant;

/// Most steps in one attempt: a connector that never ends is stopped here.
const STEPS_MAX: usize = 32;
/// Orders that wait for one grant come back within this share of their wait after it.
const SPREAD: f64 = 0.05;

/// Runs one attempt.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let args: IssueArgs = args(job)?;
    let task = match tools.loader.load(job, args).await? {
        Load::Work(task) => task,
        Load::Done => return Ok(done()),
    };
    Issuers::require_known(&task.issuer)?;
    let asked = async {
        let issuer = tools.issuers.connect(&task.issuer).await?;
        let ask = ask(&task)?;
        Ok::<_, Fault>((issuer, ask))
    };
    match asked.await {
        Ok((issuer, ask)) => step_through(tools, job, &task, issuer.as_ref(), &ask).await,
        Err(fault) => Ok(decide(&fault, job.attempt, &mut rand::rng())),
    }
}

fn done() -> Outcome {
    let result = serde_json::json!({ "already_issued": true });
    Outcome::Complete {
        effect: serde_json::Value::Null,
        result,
    }
}

/// The ask, built from the order's row alone.
fn ask(task: &Task) -> Result<Ask, Fault> {
    let csr = Csr::admitted(&task.certificate.csr_der)
        .map_err(|why| Fault::rejected(why.code(), why.to_string()))?;
    task.profile
        .admit(csr.public_key.algorithm(), &task.certificate.names)
        .map_err(|why| Fault::rejected(why.code(), why.to_string()))?;
    Ok(Ask {
        order_id: task.order.id,
        names: task.certificate.names.clone(),
        csr_der: csr.der,
        public_key: csr.public_key,
        serial: task.order.plan.serial,
        validity: task.order.plan.validity,
        generation: task.order.plan.generation,
        replaces: None,
    })
}

async fn step_through(
    tools: &Tools,
    job: &ClaimedJob,
    task: &Task,
    issuer: &dyn Issuer,
    ask: &Ask,
) -> Result<Outcome, Error> {
    let mut remote = task.order.remote.clone().map_or_else(Remote::start, Remote);
    for _ in 0..STEPS_MAX {
        if tools.stops.is_asked(&job.lease) {
            return Ok(Outcome::Stop("it ended between two steps"));
        }
        if remote.is_start()
            && issuer.powers().calls_out
            && let Some(wait) = charge(tools, job, task).await?
        {
            return Ok(wait);
        }
        match issuer.step(ask, remote).await {
            Ok(Step::Continue(next)) => {
                keep(tools, job, task, OrderState::Submitting, &next).await?;
                remote = next;
            }
            Ok(Step::Pending {
                remote,
                check_after,
            }) => {
                keep(tools, job, task, OrderState::Pending, &remote).await?;
                return Ok(Outcome::Snooze {
                    after: check_after,
                    code: waiting::ISSUER_PENDING,
                });
            }
            Ok(Step::Issued { chain }) => {
                return Ok(issued(task, issuer.powers().keeps_plan, ask, chain)
                    .unwrap_or_else(|fault| decide(&fault, job.attempt, &mut rand::rng())));
            }
            Err(fault) => {
                let outcome = decide(&fault, job.attempt, &mut rand::rng());
                let told = fault.code == RATE_LIMITED && fault.retry_after.is_some();
                if let (true, Outcome::Snooze { after, .. }) = (told, &outcome) {
                    close_lane(&tools.pool, &job.queue, *after).await?;
                }
                return Ok(outcome);
            }
        }
    }
    let fault = Fault::retry("too_many_steps", "the connector did not come to an end");
    Ok(decide(&fault, job.attempt, &mut rand::rng()))
}

/// Charges the issuer's budgets for the step that its CA counts; how the attempt ends where that is
/// not possible now.
async fn charge(tools: &Tools, job: &ClaimedJob, task: &Task) -> Result<Option<Outcome>, Error> {
    Ok(match submit(&tools.pool, job, task).await? {
        Submission::Until(instant) if Instant::now() < instant => None,
        // The process was paused in between. What it took counts at a time that is over.
        Submission::Until(_) | Submission::LaneClosed => Some(Outcome::GiveBack),
        Submission::After(wait) => Some(Outcome::Snooze {
            after: wait + wait.mul_f64(SPREAD * rand::rng().random::<f64>()),
            code: waiting::ISSUER_BUDGET,
        }),
    })
}

/// Stores the connector's state under the fence, before its next call.
async fn keep(
    tools: &Tools,
    job: &ClaimedJob,
    task: &Task,
    state: OrderState,
    remote: &Remote,
) -> Result<(), Error> {
    issuing::keep_remote(&tools.pool, &job.lease, task.order.id, state, &remote.0).await
}

/// The leaf's serial number, as rows hold it.
fn serial(chain: &Chain) -> Result<Serial, Fault> {
    let digits = chain.leaf().serial_hex.as_bytes();
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok();
    bytes
        .as_deref()
        .and_then(Serial::from_bytes)
        .ok_or_else(|| {
            let why = "the serial number of what the CA issued has not 16 octets";
            Fault::rejected("serial_length", why)
        })
}

/// Verifies what the issuer returned and makes the effect of it.
fn issued(task: &Task, keeps_plan: bool, ask: &Ask, ders: Vec<Vec<u8>>) -> Result<Outcome, Fault> {
    let refuse =
        |why: certmill_crypto::chain::ChainError| Fault::rejected(why.code(), why.to_string());
    let chain = Chain::from_ders(ders).map_err(refuse)?;
    let expected = Expected {
        spki_der: ask.public_key.spki_der(),
        names: &ask.names,
        now: task.order.plan.validity.not_before,
        planned: keeps_plan.then_some((&ask.serial, &ask.validity)),
    };
    verify_issued(&chain, &expected).map_err(refuse)?;
    let serial = serial(&chain)?;
    let leaf_der = chain.ders().first().cloned().unwrap_or_default();
    let (renew_fraction, renew_before_s) = match task.profile.renewal {
        RenewalRule::Fraction(share) => (Some(share), None),
        RenewalRule::Before(before) => (None, Some(before.whole_seconds())),
    };
    let effect = Effect {
        team_id: task.certificate.team_id,
        certificate_id: task.certificate.id,
        generation: ask.generation,
        order_id: ask.order_id,
        issuer_id: task.issuer.id,
        ca_key_id: task.issuer.ca_key_id,
        serial: *serial.as_bytes(),
        not_before: chain.leaf().not_before,
        not_after: chain.leaf().not_after,
        fingerprint: sha256(&leaf_der),
        spki_sha256: ask.public_key.spki_sha256(),
        chain: chain
            .ders()
            .iter()
            .map(|der| data_encoding::BASE64.encode(der))
            .collect(),
        renew_fraction,
        renew_before_s,
    };
    let result = serde_json::json!({ "serial": serial.to_string(), "generation": ask.generation });
    let effect = serde_json::to_value(&effect)
        .map_err(|why| Fault::rejected("effect_unwritable", why.to_string()))?;
    Ok(Outcome::Complete { effect, result })
}
