//! Asks that come at the same time share a transaction, so that many clients with one ask each cost
//! the database little more than one client with many.
//!
//! Invariant: nobody waits for company: an ask is taken as soon as a desk is free, and a desk takes
//! whatever stands there. No ask spoils another's: when their transaction is rolled back, each is
//! written by itself.

use super::batch::{self, Asked, Written};
use super::prepare::{Ask, prepare_all};
use super::read::{self, Detail};
use super::request::{ItemOutcome, request};
use crate::{Caller, Context, Error};
use certmill_domain::ids::CertificateId;
use certmill_queue::read::JobRow;
use certmill_tasks::Tasks;
use futures::future::join_all;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Most asks of one transaction.
const SHARED_MOST: usize = 64;

/// What became of an ask.
#[derive(Debug)]
pub struct Taken {
    /// Its outcome.
    pub outcome: ItemOutcome,
    /// Certificate and job as they were written, if it was accepted.
    pub shown: Option<Box<(Detail, JobRow)>>,
}

type Answer = Result<Taken, Error>;

struct Waiting {
    caller: Caller,
    ask: Ask,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Hall {
    waiting: VecDeque<Waiting>,
    /// Whether a desk is open. There is one at most: while its transaction is written the next is
    /// gathered, so that the busier the database is the more share one.
    attended: bool,
}

/// Takes asks of many callers.
#[derive(Clone)]
pub struct Intake {
    hall: Arc<Mutex<Hall>>,
    context: Context,
    tasks: Tasks,
}

impl Intake {
    /// One for a process; its transactions are among `tasks`, whose shutdown waits for them.
    #[must_use]
    pub fn new(context: Context, tasks: Tasks) -> Self {
        Self {
            hall: Arc::default(),
            context,
            tasks,
        }
    }

    /// Asks for one certificate. An ask without a CSR goes by itself, since making a key takes
    /// long. Whether the ask of somebody who stopped waiting is carried out is left open.
    ///
    /// # Errors
    /// As [`request`]; [`Error::Unknown`] where the answer to the commit was lost.
    pub async fn request(&self, caller: &Caller, ask: Ask) -> Answer {
        if ask.csr_pem.is_none() {
            return alone(&self.context, caller, ask).await;
        }
        let (answer, answered) = oneshot::channel();
        let desk = {
            let mut hall = self.hall.lock().unwrap_or_else(PoisonError::into_inner);
            hall.waiting.push_back(Waiting {
                caller: caller.clone(),
                ask,
                answer,
            });
            let attended = std::mem::replace(&mut hall.attended, true);
            (!attended).then(|| Desk {
                hall: self.hall.clone(),
                context: self.context.clone(),
                closed: false,
            })
        };
        if let Some(mut desk) = desk {
            self.tasks
                .spawn("intake", async move { desk.serve().await });
        }
        let lost = |_| Error::Unknown("the transaction was dropped".to_owned());
        answered.await.map_err(lost)?
    }
}

/// A place at which asks are written.
struct Desk {
    hall: Arc<Mutex<Hall>>,
    context: Context,
    closed: bool,
}

impl Drop for Desk {
    /// A desk that ended by a panic or at the end of the process makes room for another.
    fn drop(&mut self) {
        if !self.closed {
            let mut hall = self.hall.lock().unwrap_or_else(PoisonError::into_inner);
            hall.attended = false;
        }
    }
}

impl Desk {
    /// Writes asks until none stands there.
    async fn serve(&mut self) {
        while let Some(asks) = self.next() {
            self.answer(asks).await;
        }
    }

    /// Whatever stands there; else the desk closes, under the lock by which the next asker sees it.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut hall = self.hall.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is begun for those who have gone.
        hall.waiting.retain(|one| !one.answer.is_closed());
        let many = hall.waiting.len().min(SHARED_MOST);
        if many == 0 {
            hall.attended = false;
            self.closed = true;
            return None;
        }
        Some(hall.waiting.drain(..many).collect())
    }

    async fn answer(&self, asks: Vec<Waiting>) {
        let (mut askers, mut parts) = (Vec::new(), Vec::new());
        for Waiting {
            caller,
            ask,
            answer,
        } in asks
        {
            askers.push(answer);
            parts.push((caller, ask));
        }
        let answers = match together(&self.context, &parts).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(Setback::RolledBack(error)) if parts.len() > 1 => {
                tracing::debug!(event = "intake_apart", %error, asks = parts.len());
                let each = |(caller, ask): &(Caller, Ask)| {
                    let (context, caller, ask) = (&self.context, caller.clone(), ask.clone());
                    async move { alone(context, &caller, ask).await }
                };
                join_all(parts.iter().map(each)).await
            }
            Err(Setback::RolledBack(error)) => vec![Err(error)],
            Err(Setback::InDoubt(error)) => {
                let why = error.to_string();
                let unknown = |_: &(Caller, Ask)| Err(Error::Unknown(why.clone()));
                parts.iter().map(unknown).collect::<Vec<Answer>>()
            }
        };
        for (asker, answer) in askers.into_iter().zip(answers) {
            // Who has gone does not need it.
            asker.send(answer).ok();
        }
    }
}

/// Why a transaction brought no answers.
enum Setback {
    /// Nothing was written.
    RolledBack(Error),
    /// It may have been committed.
    InDoubt(Error),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::RolledBack(error)
    }
}

/// Writes these asks in one transaction.
async fn together(context: &Context, asks: &[(Caller, Ask)]) -> Result<Vec<Taken>, Setback> {
    let parts = asks.iter().map(|(_, ask)| ask.clone()).collect();
    let prepared = prepare_all(parts, |_| String::new()).await?;
    let mut tx = context.begin().await?;
    let callers = asks.iter().map(|(caller, _)| caller);
    let asked = |(caller, prepared)| Asked {
        caller,
        prepared,
        at: String::new(),
    };
    let all = callers.zip(prepared).map(asked).collect();
    let Written { outcomes, lanes } = batch::write(context, &mut tx, all).await?;
    let accepted: Vec<CertificateId> = outcomes.iter().filter_map(certificate_of).collect();
    let mut shown: HashMap<CertificateId, (Detail, JobRow)> = HashMap::new();
    for (detail, job) in read::just_asked(&mut tx, &accepted).await? {
        shown.insert(detail.certificate.id, (detail, job));
    }
    crate::context::commit(tx).await.map_err(Setback::InDoubt)?;
    lanes.iter().for_each(|lane| context.hinter.hint(lane));
    let taken = |outcome: ItemOutcome| {
        let shown = certificate_of(&outcome).and_then(|id| shown.remove(&id));
        Taken {
            outcome,
            shown: shown.map(Box::new),
        }
    };
    Ok(outcomes.into_iter().map(taken).collect())
}

/// Writes an ask in a transaction of its own.
async fn alone(context: &Context, caller: &Caller, ask: Ask) -> Answer {
    let answer = request(context, caller, vec![ask], |_| String::new(), None).await?;
    let outcome = answer.value.into_iter().next();
    let missing = || Error::Unknown("the service gave no outcome".to_owned());
    Ok(Taken {
        outcome: outcome.ok_or_else(missing)?,
        shown: None,
    })
}

fn certificate_of(outcome: &ItemOutcome) -> Option<CertificateId> {
    match outcome {
        ItemOutcome::Accepted { certificate, .. } => Some(*certificate),
        ItemOutcome::Exists { .. } | ItemOutcome::Refused { .. } => None,
    }
}
