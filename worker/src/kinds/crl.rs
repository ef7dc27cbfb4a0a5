//! The kind `crl`: draws up and signs the list of what an authority revoked.

use super::{Tools, args};
use crate::outcome::{Outcome, decide};
use certmill_queue::ClaimedJob;
use certmill_service::effects::crl::{CrlArgs, Effect};
use certmill_service::publication::Draft;
use certmill_service::{Error, publication};
use certmill_spi::Fault;

/// Runs one attempt.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let args: CrlArgs = args(job)?;
    let Some(draft) = publication::draw(&tools.pool, &job.lease, args.ca_key_id).await? else {
        return Ok(Outcome::Complete {
            effect: serde_json::Value::Null,
            result: serde_json::json!({ "stands": true }),
        });
    };
    match sign(tools, args, &draft).await {
        Ok(der) => Ok(done(args, &draft, &der)),
        Err(fault) => Ok(decide(&fault, job.attempt, &mut rand::rng())),
    }
}

async fn sign(tools: &Tools, args: CrlArgs, draft: &Draft) -> Result<Vec<u8>, Fault> {
    let ca = tools
        .issuers
        .authority(args.ca_key_id, &draft.authority_der)
        .await?;
    ca.sign_crl(&draft.plan)
        .map_err(|why| Fault::misconfigured(why.code(), why.to_string()))
}

fn done(args: CrlArgs, draft: &Draft, der: &[u8]) -> Outcome {
    let plan = &draft.plan;
    let entries = i32::try_from(plan.revoked.len()).unwrap_or(i32::MAX);
    let effect = Effect {
        ca_key_id: args.ca_key_id,
        number: plan.number,
        revision: draft.revision,
        this_update: plan.this_update,
        next_update: plan.next_update,
        entries,
        der: data_encoding::BASE64.encode(der),
    };
    Outcome::Complete {
        effect: serde_json::json!(effect),
        result: serde_json::json!({ "number": plan.number, "entries": entries }),
    }
}
