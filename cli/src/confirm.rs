//! The question before what cannot be taken back.
//!
//! Invariant: without a clear yes nothing is sent; a script that nobody watches says it by `--yes`.

use std::io::{self, BufRead, IsTerminal as _, Write};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;

/// Lets `deed` ("revoke certificate a.example") pass if it was confirmed, or is now.
///
/// # Errors
/// Exit code 4 where nobody can be asked, or the answer is not yes.
pub fn confirm(yes: bool, deed: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let why = "it cannot be taken back, and nobody can be asked without a terminal";
        let hint = "nothing was done; add --yes to do it";
        return Err(Failure::new(Exit::Refused, deed, "no --yes", why, hint));
    }
    ask(deed, &mut io::stdin().lock(), &mut io::stderr().lock())
}

fn ask(deed: &str, from: &mut impl BufRead, to: &mut impl Write) -> Result<(), Failure> {
    write!(to, "{}? It cannot be taken back. [y/N] ", plain(deed))?;
    to.flush()?;
    let mut answer = String::new();
    from.read_line(&mut answer)?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    let hint = "nothing was done";
    Err(Failure::new(
        Exit::Refused,
        deed,
        "terminal",
        "it was not confirmed",
        hint,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_lets_it_pass() {
        for (answer, passes) in [
            ("y\n", true),
            (" YES \n", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yeah\n", false),
        ] {
            let mut shown = Vec::new();
            let outcome = ask("revoke a", &mut answer.as_bytes(), &mut shown);
            assert_eq!(outcome.is_ok(), passes, "{answer:?}");
            if let Err(failure) = outcome {
                assert_eq!(failure.code(), 4);
            }
            assert_eq!(shown, b"revoke a? It cannot be taken back. [y/N] ");
        }
        assert!(confirm(true, "revoke a").is_ok());
    }
}
