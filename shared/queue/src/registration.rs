//! How a process gets into the list of processes, and stays there.
//!
//! Invariant: ends only at the shutdown; a lost lease means to register anew under a new id.

use std::time::Duration;

use certmill_tasks::{Backoff, Shutdown, Tasks};
use tracing::warn;

use crate::{Beat, BeatOptions, Error, Result, Standing, other_api};

/// Between tries to register.
const REGISTER: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// Registers, and tries again while the database does not answer; `None` if the shutdown came first.
///
/// # Errors
/// [`Error::Thread`] if the system gives no thread for the beats, [`Error::Limits`] if an API lives
/// that does not go with this one; one that died is waited for.
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
            Err(Error::Limits { own, .. }) => {
                let living = other_api::living(&options.pool, &own);
                // A database that fails meanwhile is asked again by the next try.
                if let Some(Ok(Some(other))) = shutdown.cut_short(living).await {
                    let other = Box::new(other);
                    return Err(Error::Limits { own, other });
                }
            }
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
/// As [`register`].
pub async fn keep_registered(
    tasks: &Tasks,
    options: BeatOptions,
    shutdown: &Shutdown,
    ready: impl FnOnce() + Send,
) -> Result<()> {
    let Some(beat) = register(tasks, &options, shutdown).await? else {
        return Ok(());
    };
    ready();
    stay_registered(tasks, beat, options, shutdown).await
}

/// Beats until the shutdown, then resigns; a lost lease means to register anew.
///
/// # Errors
/// As [`register`].
pub async fn stay_registered(
    tasks: &Tasks,
    beat: Beat,
    options: BeatOptions,
    shutdown: &Shutdown,
) -> Result<()> {
    let mut beat = Some(beat);
    while let Some(held) = beat.take() {
        let mut standing = held.standing();
        // The guard of the channel must not live across an await.
        let lost = async {
            let ended = standing.wait_for(|standing| *standing != Standing::Held);
            ended.await.is_ok()
        };
        shutdown.cut_short(lost).await;
        held.resign().await;
        beat = register(tasks, &options, shutdown).await?;
    }
    Ok(())
}
