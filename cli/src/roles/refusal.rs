//! Refusals of the crates below, in the words and exit codes of the command line.

use crate::exit::Exit;
use crate::failure::Failure;

/// A refusal of the database or its schema: settings or set-up are wrong, or it is not there.
pub fn database(error: certmill_pg::Error) -> Failure {
    match error {
        certmill_pg::Error::Unavailable(_) => Failure::new(
            Exit::Unreachable,
            "database",
            "database_url",
            &error.to_string(),
            "",
        ),
        certmill_pg::Error::Login(refusal) => Failure::new(
            Exit::Config,
            "database",
            "database_url",
            &refusal.why,
            &refusal.advice,
        ),
        other => Failure::new(
            Exit::Config,
            "database",
            "database_url",
            &other.to_string(),
            "",
        ),
    }
}

/// A refusal of the service while a role starts.
pub fn service(error: certmill_service::Error) -> Failure {
    let exit = match &error {
        certmill_service::Error::Misconfigured(_) => Exit::Config,
        _ => Exit::Failed,
    };
    Failure::new(exit, "start", "service", &error.to_string(), "")
}

/// A process may not enter the list of processes, or cannot.
pub fn registration(error: certmill_queue::Error) -> Failure {
    let certmill_queue::Error::Limits { own, other } = error else {
        return system("registration", &error);
    };
    let why = format!(
        "it is {own} here, and the api {} (process {}) lives with {}: limits in memory hold for one process alone",
        other.label, other.id, other.limits
    );
    let hint = "stop that api, or set limits.backend = \"postgres\" for both";
    Failure::new(Exit::Config, "api", "limits.backend", &why, hint)
}

/// The system gave no thread, no signal handler, no file.
pub fn system(what: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, what, "system", &error.to_string(), "")
}
