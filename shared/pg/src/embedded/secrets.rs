//! Passwords of the embedded server's logins, each in a 0600 file of the data folder.
//!
//! Invariant: a password is written to disk before the server learns it, and never printed.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use secrecy::SecretString;

use super::Login;
use crate::{Error, Result};

/// The three passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    root: PathBuf,
    superuser: SecretString,
    owner: SecretString,
    app: SecretString,
}

impl Passwords {
    /// Reads the files, making those that are missing.
    pub(super) fn open(root: &Path) -> Result<Self> {
        Ok(Self {
            root: root.to_path_buf(),
            superuser: read_or_make(&file(root, Login::Superuser))?,
            owner: read_or_make(&file(root, Login::Owner))?,
            app: read_or_make(&file(root, Login::App))?,
        })
    }

    /// The password of one login.
    pub(super) fn of(&self, login: Login) -> &SecretString {
        match login {
            Login::Superuser => &self.superuser,
            Login::Owner => &self.owner,
            Login::App => &self.app,
        }
    }

    /// Where the superuser's password lies.
    pub(super) fn superuser_file(&self) -> PathBuf {
        file(&self.root, Login::Superuser)
    }
}

fn file(root: &Path, login: Login) -> PathBuf {
    root.join(match login {
        Login::Superuser => "pg-superuser.password",
        Login::Owner => "pg-owner.password",
        Login::App => "pg-app.password",
    })
}

fn read_or_make(path: &Path) -> Result<SecretString> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(SecretString::from(text.trim())),
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(source) => {
            return Err(Error::File {
                doing: "read",
                path: path.into(),
                source,
            });
        }
    }
    let password = generate();
    write_private(path, &password)?;
    Ok(SecretString::from(password))
}

/// 192 bits as hexadecimal digits, which need no escaping anywhere.
fn generate() -> String {
    let mut bytes = [0_u8; 24];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes a 0600 file in one step, so that a crash leaves the old one or the new one.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let failed = |source| Error::File {
        doing: "write",
        path: path.into(),
        source,
    };
    let partial = path.with_extension("partial");
    fs::remove_file(&partial).ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn passwords_last_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Passwords::open(dir.path()).unwrap();
        let again = Passwords::open(dir.path()).unwrap();
        for login in [Login::Superuser, Login::Owner, Login::App] {
            let password = first.of(login).expose_secret();
            assert_eq!(password, again.of(login).expose_secret());
            assert_eq!(password.len(), 48);
            let mode = fs::metadata(file(dir.path(), login)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(!format!("{first:?}").contains(password));
        }
    }
}
