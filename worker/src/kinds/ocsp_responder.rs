//! The kind `ocsp_responder`: certifies a key that an api made for OCSP answers.

use super::{Tools, args};
use crate::outcome::{Outcome, decide};
use certmill_queue::ClaimedJob;
use certmill_service::effects::ocsp_responder::{Effect, ResponderArgs};
use certmill_service::publication::ResponderDraft;
use certmill_service::{Error, publication};
use certmill_spi::Fault;

/// Runs one attempt.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let args: ResponderArgs = args(job)?;
    let Some(draft) = publication::plan_responder(&tools.pool, args.responder_id).await? else {
        return Ok(Outcome::Complete {
            effect: serde_json::Value::Null,
            result: serde_json::json!({ "certified": true }),
        });
    };
    match sign(tools, &draft).await {
        Ok(der) => Ok(done(args, &draft, &der)),
        Err(fault) => Ok(decide(&fault, job.attempt, &mut rand::rng())),
    }
}

async fn sign(tools: &Tools, draft: &ResponderDraft) -> Result<Vec<u8>, Fault> {
    let ca = tools
        .issuers
        .authority(draft.ca_key_id, &draft.authority_der)
        .await?;
    ca.sign_responder(&draft.plan)
        .map_err(|why| Fault::misconfigured(why.code(), why.to_string()))
}

fn done(args: ResponderArgs, draft: &ResponderDraft, der: &[u8]) -> Outcome {
    let plan = &draft.plan;
    let effect = Effect {
        responder_id: args.responder_id,
        serial: *plan.serial.as_bytes(),
        not_after: plan.validity.not_after,
        certificate: data_encoding::BASE64.encode(der),
    };
    Outcome::Complete {
        effect: serde_json::json!(effect),
        result: serde_json::json!({ "serial": plan.serial.to_string() }),
    }
}
