//! Loads tasks together: what handlers ask for while a look is under way shares the next one.
//!
//! Invariant: nobody waits for company. The first one is looked up at once, and an answer is as
//! fresh as one that was asked for alone.

use certmill_domain::ids::TeamId;
use certmill_pg::Pool;
use certmill_queue::ClaimedJob;
use certmill_service::Error;
use certmill_service::effects::issue::IssueArgs;
use certmill_service::issuing::{self, Load, Task};
use certmill_service::issuing_many::TaskReader;
use certmill_tasks::Tasks;
use tokio::sync::{mpsc, oneshot};

/// Most jobs in one look.
const BATCH: usize = 200;

/// The way in; cheap to clone. The desk ends when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Loader {
    pool: Pool,
    sender: mpsc::Sender<Asked>,
}

struct Asked {
    wanted: (TeamId, IssueArgs),
    answer: oneshot::Sender<Option<Task>>,
}

impl Loader {
    /// Starts the task that looks.
    pub(crate) fn start(tasks: &Tasks, pool: Pool) -> Self {
        let (sender, receiver) = mpsc::channel(BATCH);
        let own = pool.clone();
        tasks.spawn("loader", async move { look(own, receiver).await });
        Self { pool, sender }
    }

    /// What the job is about; by itself where the common look could not say.
    ///
    /// # Errors
    /// As [`issuing::load`].
    pub(crate) async fn load(&self, job: &ClaimedJob, args: IssueArgs) -> Result<Load, Error> {
        let (answer, found) = oneshot::channel();
        let asked = Asked {
            wanted: (job.team_id, args),
            answer,
        };
        let common = match self.sender.send(asked).await {
            Ok(()) => found.await.ok().flatten(),
            Err(_) => None,
        };
        match common {
            Some(task) => Ok(Load::Work(Box::new(task))),
            None => issuing::load(&self.pool, &job.lease, job.team_id, args).await,
        }
    }
}

async fn look(pool: Pool, mut receiver: mpsc::Receiver<Asked>) {
    let mut asked = Vec::with_capacity(BATCH);
    let mut tasks = TaskReader::default();
    while receiver.recv_many(&mut asked, BATCH).await > 0 {
        let (wanted, answers): (Vec<_>, Vec<_>) =
            asked.drain(..).map(|one| (one.wanted, one.answer)).unzip();
        match tasks.load_all(&pool, &wanted).await {
            Ok(found) => {
                for (answer, task) in answers.into_iter().zip(found) {
                    answer.send(task).ok();
                }
            }
            // Dropped answers make each handler look by itself, and fail as it would alone.
            Err(error) => tracing::debug!(%error, "not loaded together"),
        }
    }
}
