//! The steps of an order: ask, finalize, fetch.

use std::time::Duration;

use async_trait::async_trait;
use certmill_spi::{Ask, Connector, Deps, Fault, Issuer, Powers, Remote, Revocation, Step};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::calls::Calls;
use super::config::RehearsalConfig;

/// While an order is processed, it is looked at this often.
const CHECK_AFTER: Duration = Duration::from_secs(1);

/// The client of the rehearsal CA.
pub(crate) struct Rehearsal {
    calls: Calls,
}

/// What is remembered between steps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum State {
    /// The CA made this order.
    Ordered { order: u64 },
    /// It has the CSR.
    Finalized { order: u64 },
}

#[derive(Deserialize)]
struct Made {
    order: u64,
}

#[derive(Deserialize)]
struct Order {
    status: String,
    #[serde(default)]
    chain: Vec<String>,
}

impl Connector for Rehearsal {
    const KIND: &'static str = "rehearsal";
    const TITLE: &'static str = "Rehearsal CA (a fake)";
    const NEEDS_CA_KEY: bool = false;
    type Config = RehearsalConfig;

    fn connect(config: RehearsalConfig, _: Deps) -> Result<Box<dyn Issuer>, Fault> {
        let calls = Calls::new(&config)?;
        Ok(Box::new(Self { calls }))
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: serde_json::Value) -> Result<T, Fault> {
    serde_json::from_value(answer).map_err(|_| {
        Fault::retry(
            "answer_unreadable",
            "the CA's answer lacks what it should say",
        )
    })
}

fn instant(at: OffsetDateTime) -> Result<String, Fault> {
    at.format(&Rfc3339)
        .map_err(|why| Fault::rejected("date_unwritable", why.to_string()))
}

impl Rehearsal {
    async fn order(&self, ask: &Ask) -> Result<Step, Fault> {
        let body = json!({
            "names": ask.names.to_texts(),
            "not_before": instant(ask.validity.not_before)?,
            "not_after": instant(ask.validity.not_after)?,
        });
        let made: Made = read(self.calls.post("orders", &body).await?)?;
        let next = State::Ordered { order: made.order };
        Ok(Step::Continue(Remote::write(&next)?))
    }

    /// An order that was finalized already, by a call whose answer is lost, is fetched as well.
    async fn finalize(&self, ask: &Ask, order: u64) -> Result<Step, Fault> {
        let body = json!({ "csr": BASE64.encode(&ask.csr_der) });
        let next = Remote::write(&State::Finalized { order })?;
        match self
            .calls
            .post(&format!("orders/{order}/finalize"), &body)
            .await
        {
            Ok(_) => Ok(Step::Continue(next)),
            Err(fault) if fault.code == "not_ready" => Ok(Step::Continue(next)),
            Err(fault) => gone(fault),
        }
    }

    async fn fetch(&self, order: u64, remote: Remote) -> Result<Step, Fault> {
        let answer = match self.calls.get(&format!("orders/{order}")).await {
            Ok(answer) => answer,
            Err(fault) => return gone(fault),
        };
        let found: Order = read(answer)?;
        match found.status.as_str() {
            "valid" => {
                let chain = found
                    .chain
                    .iter()
                    .map(|text| BASE64.decode(text.as_bytes()));
                let chain = chain.collect::<Result<_, _>>().map_err(|_| {
                    Fault::rejected("chain_unreadable", "the CA's chain is not base64")
                })?;
                Ok(Step::Issued { chain })
            }
            "processing" => Ok(Step::Pending {
                remote,
                check_after: CHECK_AFTER,
            }),
            other => Err(Fault::rejected(
                "unknown_status",
                format!("the CA says {other:?} of a finalized order"),
            )),
        }
    }
}

/// A CA that has forgotten the order is asked for another one.
fn gone(fault: Fault) -> Result<Step, Fault> {
    if fault.code == "no_order" {
        return Ok(Step::Continue(Remote::start()));
    }
    Err(fault)
}

#[async_trait]
impl Issuer for Rehearsal {
    fn powers(&self) -> Powers {
        Powers {
            keeps_plan: false,
            revokes: true,
            calls_out: true,
        }
    }

    async fn probe(&self) -> Result<(), Fault> {
        self.calls.get("").await.map(|_| ())
    }

    async fn step(&self, ask: &Ask, remote: Remote) -> Result<Step, Fault> {
        if remote.is_start() {
            return self.order(ask).await;
        }
        match remote.read()? {
            State::Ordered { order } => self.finalize(ask, order).await,
            State::Finalized { order } => self.fetch(order, remote).await,
        }
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), Fault> {
        let body = json!({ "certificate": BASE64.encode(&revocation.certificate_der) });
        self.calls.post("revocations", &body).await.map(|_| ())
    }
}
