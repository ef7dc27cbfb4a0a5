//! Work that must not stop half-way because nobody waits for it any more.
//!
//! Invariant: once first polled, the work runs to its end, whatever becomes of its caller; only the
//! end of the runtime cuts it short.
#![allow(
    clippy::disallowed_methods,
    reason = "the task ends with its work, which is bounded by the caller's own limits"
)]

use std::future::Future;

/// Runs `work` on a task of its own and hands its outcome back; dropped, it lets the task go on.
/// A panic of the work is the caller's panic.
pub async fn carry_through<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_goes_on_without_its_caller() {
        let (go, gate) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let work = carry_through(async move {
            gate.await.ok();
            done.send(()).ok();
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(10), work)
                .await
                .is_err()
        );
        go.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), ended)
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn outcomes_and_panics_come_back() {
        assert_eq!(carry_through(async { 7 }).await, 7);
        let panicked = tokio::spawn(carry_through(async { panic!("x") })).await;
        assert!(panicked.unwrap_err().is_panic());
    }
}
