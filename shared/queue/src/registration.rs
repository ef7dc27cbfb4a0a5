//! How a process gets into the list of processes, and stays there.
//!
//! Invariant: ends only at the shutdown; a lost lease means to register anew under a new id.

use std::time::Duration;

use certmill_tasks::{Backoff, Shutdown, Tasks};
use tracing::warn;

use crate::{Beat, BeatOptions, Error, Result, Standing};

/// Between tries to register.
const REGISTER: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// Registers, and tries again while the database does not answer; `None` if the shutdown came first.
///
/// # Errors
/// [`Error::Thread`] if the system gives no thread for the beats.
pub async fn register(
    tasks: &Tasks,
    options: &BeatOptions,
    shutdown: &Shutdown,
) -> Result<Option<Beat>> {
    let mut failures = 0;
    while !shutdown.is_requested() {
        match Beat::start(tasks, options.clone()).await {
            Ok(beat) => return Ok(Some(beat)),
            Err(error @ Error::Thread(_)) => return Err(error),
            Err(error) => {
                failures += 1;
                warn!(event = "not_registered", %error);
                let pause = REGISTER.delay(failures, &mut rand::rng());
                shutdown.cut_short(tokio::time::sleep(pause)).await;
            }
        }
    }
    Ok(None)
}

/// Registers and beats until the shutdown, then resigns. `ready` is called once, when the process
/// is registered for the first time.
///
/// # Errors
/// [`Error::Thread`] if the system gives no thread for the beats; the database's are tried again.
pub async fn keep_registered(
    tasks: &Tasks,
    options: BeatOptions,
    shutdown: &Shutdown,
    ready: impl FnOnce() + Send,
) -> Result<()> {
    let mut ready = Some(ready);
    while let Some(beat) = register(tasks, &options, shutdown).await? {
        if let Some(ready) = ready.take() {
            ready();
        }
        let mut standing = beat.standing();
        // The guard of the channel must not live across an await.
        let lost = async {
            let ended = standing.wait_for(|standing| *standing != Standing::Held);
            ended.await.is_ok()
        };
        shutdown.cut_short(lost).await;
        beat.resign().await;
    }
    Ok(())
}
