//! Why a command ends without success: what, where, why, what to do, and the exit code.
//!
//! Invariant: one `error:` line a fault on stderr, and no secret in it.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use certmill_wire::{FieldError, Problem, client};

use crate::exit::Exit;

/// A command's end without success.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    faults: Vec<String>,
}

impl Failure {
    /// One fault; `hint` says what to do.
    pub fn new(exit: Exit, what: &str, where_: &str, why: &str, hint: &str) -> Self {
        Self {
            code: exit.code(),
            faults: vec![sentence(what, where_, why, hint)],
        }
    }

    /// Several faults of the settings or the environment at once.
    pub fn config(faults: Vec<String>) -> Self {
        Self {
            code: Exit::Config.code(),
            faults,
        }
    }

    /// A fault whose exit code the server's answer decides.
    pub fn with_code(code: u8, what: &str, where_: &str, why: &str, hint: &str) -> Self {
        Self {
            code,
            faults: vec![sentence(what, where_, why, hint)],
        }
    }

    /// A failed call about `what`.
    pub fn of_call(what: &str, error: &client::Error) -> Self {
        let code = error.exit_code();
        match error {
            client::Error::Problem(problem) => {
                let mut why = reason(problem);
                if let (500.., Some(id)) = (problem.status, &problem.request_id) {
                    why.push_str(&format!(" (request {id})"));
                }
                let hint = problem
                    .hint
                    .clone()
                    .unwrap_or_else(|| usual_hint(problem.status).into());
                Self::with_code(code, what, &problem.code, &why, &hint)
            }
            client::Error::Config { why } => Self::with_code(code, what, "client", why, ""),
            client::Error::Unreachable { url, why } => {
                let hint =
                    "is it running? `certmill up` starts one here; CERTMILL_URL names another";
                Self::with_code(
                    code,
                    "server",
                    url,
                    &format!("cannot be reached: {why}"),
                    hint,
                )
            }
            client::Error::Tls { url, why } => Self::with_code(code, "server", url, why, ""),
            client::Error::Timeout { url, after } => {
                let why = format!("no answer within {} s", after.as_secs_f32());
                Self::with_code(
                    code,
                    what,
                    url,
                    &why,
                    "try again; look first whether it was done",
                )
            }
            client::Error::Answer { url, why } => {
                let why = format!("an answer that this client does not know: {why}");
                Self::with_code(code, what, url, &why, "are both of the same version?")
            }
        }
    }

    /// The output was closed by its reader: an end without words.
    pub fn reader_gone() -> Self {
        Self {
            code: Exit::Ok.code(),
            faults: Vec::new(),
        }
    }

    /// Appends to the last fault what else there is to say.
    pub fn and(mut self, more: &str) -> Self {
        if let Some(last) = self.faults.last_mut() {
            last.push_str("; ");
            last.push_str(more);
        }
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Prints the faults; the answer is the process's exit code.
    pub fn report(&self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        for fault in &self.faults {
            // Nobody is left to tell when stderr itself is closed.
            let _ = writeln!(stderr, "error: {}", crate::output::plain(fault));
        }
        ExitCode::from(self.code())
    }
}

fn sentence(what: &str, where_: &str, why: &str, hint: &str) -> String {
    let end = if hint.is_empty() {
        String::new()
    } else {
        format!("; {hint}")
    };
    format!("{what} ({where_}): {why}{end}")
}

/// All faults of a request, the place of each where it has one.
fn reason(problem: &Problem) -> String {
    let one = |fault: &FieldError| match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer}: {}", fault.detail),
    };
    match problem.errors.as_slice() {
        [] if problem.detail.is_empty() => problem.title.clone(),
        [] => problem.detail.clone(),
        [only] => one(only),
        more => {
            let lines = more.iter().map(|fault| format!("\n  {}", one(fault)));
            format!("{} faults{}", more.len(), lines.collect::<String>())
        }
    }
}

fn usual_hint(status: u16) -> &'static str {
    match status {
        401 => "name the right key by --api-key-file or CERTMILL_API_KEY_FILE",
        403 => "use a key with more rights",
        404 => "the `list` verb shows what there is",
        429 | 503 => "try again in a moment",
        500..=599 => "the server's log says more under that request",
        _ => "",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))
    }
}

impl std::error::Error for Failure {}

impl From<certmill_settings::Error> for Failure {
    fn from(error: certmill_settings::Error) -> Self {
        Self {
            code: error.exit_code(),
            faults: error.problems().iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::reader_gone();
        }
        Self::new(
            Exit::Failed,
            "output",
            "stdout",
            &error.to_string(),
            "is the disk full?",
        )
    }
}

#[cfg(test)]
mod tests {
    use certmill_wire::ProblemCode;

    use super::*;

    #[test]
    fn a_fault_says_what_where_why_and_what_to_do() {
        let failure = Failure::new(
            Exit::Conflict,
            "key file",
            "a.key",
            "exists already",
            "move it",
        );
        assert_eq!(
            failure.to_string(),
            "key file (a.key): exists already; move it"
        );
        assert_eq!(
            failure.and("more").to_string(),
            "key file (a.key): exists already; move it; more"
        );
    }

    #[test]
    fn answers_keep_their_code_and_hint() {
        let problem = Problem::new(ProblemCode::NotFound, "no such certificate").with_hint("look");
        let failure = Failure::of_call("certificate x", &client::Error::Problem(Box::new(problem)));
        assert_eq!(failure.code(), 9);
        assert_eq!(
            failure.to_string(),
            "certificate x (not_found): no such certificate; look"
        );
    }

    #[test]
    fn all_faults_of_a_request_are_named() {
        let fault = |pointer: &str, detail: &str| FieldError::new(pointer, "code", detail);
        let text = |faults| {
            let problem = Problem::of_fields(ProblemCode::InvalidRequest, faults);
            Failure::of_call("x", &client::Error::Problem(Box::new(problem))).to_string()
        };
        assert_eq!(
            text(vec![fault("", "too short")]),
            "x (invalid_request): too short"
        );
        assert_eq!(
            text(vec![fault("/a", "bad"), fault("", "worse")]),
            "x (invalid_request): 2 faults\n  /a: bad\n  worse"
        );
    }

    #[test]
    fn a_closed_pipe_is_a_quiet_end() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code(), failure.to_string().as_str()), (0, ""));
        assert_eq!(Failure::from(io::Error::other("x")).code(), 1);
    }
}
