//! The one line that tells scripts and supervisors that a role serves.
//!
//! Invariant: it is logged once a role, after the role can do its work, never before.

/// The target of the ready line; no filter hides it.
pub const READY_TARGET: &str = "certmill::ready";

/// What a role says of itself when it begins to serve; absent fields are left out of the line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready<'a> {
    /// `up`, `api`, `worker` or `scheduler`.
    pub role: &'a str,
    /// The name of this process in the cluster.
    pub name: &'a str,
    /// Where clients reach it.
    pub url: Option<&'a str>,
    /// The address that is bound.
    pub listen: Option<&'a str>,
    /// The id of its process row.
    pub process_id: Option<i64>,
    /// The lanes it claims from, comma-separated.
    pub queues: Option<&'a str>,
    /// The version of this build.
    pub version: Option<&'a str>,
}

/// Logs exactly one line with `"event":"ready"`.
pub fn ready(ready: &Ready<'_>) {
    tracing::info!(
        target: READY_TARGET,
        event = "ready",
        role = ready.role,
        name = ready.name,
        url = ready.url,
        listen = ready.listen,
        process_id = ready.process_id,
        queues = ready.queues,
        version = ready.version,
        "{} is ready",
        ready.role
    );
}
