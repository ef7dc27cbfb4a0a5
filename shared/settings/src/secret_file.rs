//! Reads secrets from files.
//!
//! Invariant: what a file holds never appears in an error, and a key file that others can read is
//! not used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::{Problem, Secret};

/// More than any secret needs; guards against a path that names the wrong thing.
const MOST_BYTES: u64 = 64 * 1024;

/// Reads a one-line secret; trailing newlines are trimmed.
///
/// # Errors
/// The file cannot be read, is empty, is not UTF-8, or holds a control character.
pub fn read_secret_file(what: &str, path: &Path) -> Result<Secret, Problem> {
    let bytes = read(what, path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| problem(what, path, "not UTF-8 text", "write the secret as one line"))?;
    clean(what, &path.display().to_string(), text)
}

/// Like [`read_secret_file`], and refuses a file that others can read.
///
/// # Errors
/// As there, or the mode is wider than 0600.
pub fn read_key_file(what: &str, path: &Path) -> Result<Secret, Problem> {
    check_key_mode(what, path)?;
    read_secret_file(what, path)
}

/// Reads a key of raw bytes, untrimmed, and refuses a file that others can read.
///
/// # Errors
/// The file cannot be read, is larger than 64 KiB, or its mode is wider than 0600.
pub fn read_key_bytes(what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    check_key_mode(what, path)?;
    read(what, path)
}

/// Refuses a file whose mode lets anybody but its owner in.
///
/// # Errors
/// The mode is wider than 0600, or the file is not there.
pub fn check_key_mode(what: &str, path: &Path) -> Result<(), Problem> {
    let meta = fs::metadata(path).map_err(|error| unreadable(what, path, &error))?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("mode is {mode:04o}, must be 0600 or stricter");
    Err(problem(
        what,
        path,
        &why,
        &format!("run `chmod 600 {}`", path.display()),
    ))
}

/// Trims trailing newlines and refuses control characters inside.
pub(crate) fn clean(what: &str, where_: &str, text: &str) -> Result<Secret, Problem> {
    let text = text.trim_end_matches(['\n', '\r']);
    let refuse = |why: &str, hint: &str| Err(Problem::new(what, where_, why, hint));
    if text.is_empty() {
        return refuse("is empty", "write the secret as one line");
    }
    if text.chars().any(char::is_control) {
        return refuse(
            "holds a control character",
            "the secret is one line without tabs or breaks",
        );
    }
    Ok(Secret::from(text))
}

fn read(what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let meta = fs::metadata(path).map_err(|error| unreadable(what, path, &error))?;
    if !meta.is_file() {
        return Err(problem(
            what,
            path,
            "not a file",
            "name the file that holds the secret",
        ));
    }
    if meta.len() > MOST_BYTES {
        return Err(problem(
            what,
            path,
            "larger than 64 KiB",
            "is this the right file?",
        ));
    }
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| unreadable(what, path, &error))
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    problem(
        what,
        path,
        &format!("cannot be read: {error}"),
        "check the path and its owner",
    )
}

fn problem(what: &str, path: &Path, why: &str, hint: &str) -> Problem {
    Problem::new(what, path.display().to_string(), why, hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn file(dir: &tempfile::TempDir, content: &str, mode: u32) -> PathBuf {
        let path = dir
            .path()
            .join(format!("secret-{mode:o}-{}", content.len()));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn trims_the_newline_and_masks_debug() {
        let dir = tempfile::tempdir().unwrap();
        let secret = read_key_file("api key", &file(&dir, "hunter2-hunter2\r\n", 0o600)).unwrap();
        assert_eq!(secret.expose_secret(), "hunter2-hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn refusals_do_not_echo_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        for (content, mode, why) in [
            ("canary\tcanary", 0o600, "control character"),
            ("canary", 0o644, "mode is 0644, must be 0600 or stricter"),
            ("canary!", 0o640, "mode is 0640"),
            ("\n", 0o600, "empty"),
        ] {
            let problem = read_key_file("api key", &file(&dir, content, mode)).unwrap_err();
            assert!(problem.why.contains(why), "{problem}");
            assert!(!problem.to_string().contains("canary"), "{problem}");
        }
        let missing = read_key_file("api key", &dir.path().join("none")).unwrap_err();
        assert!(missing.why.contains("cannot be read"), "{missing}");
        assert!(read_secret_file("url", &file(&dir, "open", 0o644)).is_ok());
    }
}
