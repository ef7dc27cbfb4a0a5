//! The kind `revoke`: asks the issuer to revoke one version.

use super::{Tools, args};
use crate::issuers::Issuers;
use crate::outcome::{Outcome, decide};
use certmill_queue::ClaimedJob;
use certmill_service::Error;
use certmill_service::certificates::{RevocationTask, revocation_task};
use certmill_service::effects::revoke::{Effect, RevokeArgs};
use certmill_spi::{Fault, Revocation};

/// Runs one attempt. Revoking again succeeds, so a repeat after a crash needs no look before.
pub(super) async fn run(tools: &Tools, job: &ClaimedJob) -> Result<Outcome, Error> {
    let args: RevokeArgs = args(job)?;
    let Some(task) = revocation_task(&tools.pool, job.team_id, &args).await? else {
        return Ok(Outcome::Complete {
            effect: serde_json::Value::Null,
            result: serde_json::json!({ "already_revoked": true }),
        });
    };
    Issuers::require_known(&task.issuer)?;
    match revoke(tools, &task).await {
        Ok(()) => Ok(Outcome::Complete {
            result: serde_json::json!({
                "serial": task.version.serial.to_string(),
                "reason": args.reason,
            }),
            effect: serde_json::json!(Effect {
                team_id: job.team_id,
                args,
            }),
        }),
        Err(fault) => Ok(decide(&fault, job.attempt, &mut rand::rng())),
    }
}

async fn revoke(tools: &Tools, task: &RevocationTask) -> Result<(), Fault> {
    let issuer = tools.issuers.connect(&task.issuer).await?;
    let revocation = Revocation {
        certificate_der: task.version.leaf_der.clone(),
        reason: task.reason,
    };
    issuer.revoke(&revocation).await
}
