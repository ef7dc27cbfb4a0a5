//! Refuses API keys among the arguments, whatever flag or place they stand in.
//!
//! Invariant: no part of what looks like a key is printed.

use std::ffi::OsString;

use certmill_crypto::token::ApiKey;

use crate::exit::Exit;
use crate::failure::Failure;

/// Flags that people try, which take no value here.
const FLAGS: [&str; 3] = ["--api-key", "--apikey", "--token"];

/// Refuses arguments that are a key, hold one as `--flag=<key>`, or announce one.
///
/// # Errors
/// Exit code 2.
pub fn refuse(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    for arg in args {
        // What is not UTF-8 is no key.
        let Some(text) = arg.to_str() else { continue };
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, value),
            _ => (text, text),
        };
        if FLAGS.contains(&flag) {
            return Err(refusal(&format!("flag {flag}")));
        }
        if ApiKey::parse(value.trim()).is_ok() {
            return Err(refusal("argument"));
        }
    }
    Ok(())
}

fn refusal(place: &str) -> Failure {
    let why = "refused: an argument is visible in `ps` to every user of this machine";
    let hint = "use env or file: put the key into a file of mode 0600 and name that by \
                --api-key-file or CERTMILL_API_KEY_FILE, or set CERTMILL_API_KEY; a key that was \
                typed here should be revoked";
    Failure::new(Exit::Usage, "API key", place, why, hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(args: &[&str]) -> Option<String> {
        let failure = refuse(args.iter().map(OsString::from)).err()?;
        assert_eq!(failure.code(), 2);
        Some(failure.to_string())
    }

    #[test]
    fn a_key_is_refused_wherever_it_stands() {
        let key = ApiKey::generate().unwrap();
        let (text, glued) = (key.expose(), format!("--key={}", key.expose()));
        for args in [
            &["--api-key", text][..],
            &["--key", text],
            &[&glued],
            &["keys", "show", text],
            &["--api-key=x"],
            &["certs", "list", "--api-key"],
            &["keys", "bootstrap", "--token", "x"],
        ] {
            let words = refused(args).unwrap();
            assert!(words.contains("visible in `ps`"), "{words}");
            assert!(words.contains("use env or file"), "{words}");
            assert!(!words.contains(text), "{words}");
        }
    }

    #[test]
    fn everything_else_passes() {
        for args in [
            &["certs", "add", "a.example", "--key", "a.key"][..],
            &["--api-key-file", "cm_key"],
            &["keys", "bootstrap", "--token-file", "t"],
            &["worker", "--set", "poll_ms=50"],
        ] {
            assert_eq!(refused(args), None);
        }
    }
}
