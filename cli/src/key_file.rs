//! Private keys on the disk of whoever asks for a certificate.
//!
//! Invariant: a key file is made with mode 0600 and never replaces a file that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_settings::check_key_mode;
use secrecy::{ExposeSecret as _, SecretString};

use crate::exit::Exit;
use crate::failure::Failure;

/// Makes a new key and writes it.
///
/// # Errors
/// Exit code 5 where the file is there already.
pub fn generate(path: &Path, algorithm: KeyAlgorithm) -> Result<PrivateKey, Failure> {
    let key = PrivateKey::generate(algorithm)
        .map_err(|why| fault(Exit::Failed, path, &why.to_string(), "try again"))?;
    write_new(path, &key.to_pem())?;
    Ok(key)
}

/// Reads a key that is there already.
///
/// # Errors
/// Exit code 3: others can read it, or it is no private key.
pub fn read(path: &Path) -> Result<PrivateKey, Failure> {
    check_key_mode("private key", path)
        .map_err(|problem| Failure::config(vec![problem.to_string()]))?;
    let text = fs::read_to_string(path).map(SecretString::from);
    let text = text.map_err(|why| fault(Exit::Config, path, &why.to_string(), "check the path"))?;
    PrivateKey::from_pem(text.expose_secret()).map_err(|why| {
        fault(
            Exit::Config,
            path,
            &why.to_string(),
            "name an unencrypted PEM key",
        )
    })
}

/// Writes a key to a new file and makes sure that it is on the disk: a certificate whose key is
/// lost is of no use.
///
/// # Errors
/// Exit code 5 where the file is there already.
pub fn write_new(path: &Path, pem: &SecretString) -> Result<(), Failure> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = made.map_err(|why| refusal(path, &why))?;
    let written = file
        .write_all(pem.expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path));
    written.map_err(|why| {
        remove(path);
        fault(
            Exit::Failed,
            path,
            &format!("cannot be written: {why}"),
            "is the disk full?",
        )
    })
}

/// Removes a key that no certificate will ever be made for.
pub fn remove(path: &Path) {
    // What remains is a key without a certificate: harmless, and the next `add` names it.
    let _ = fs::remove_file(path);
}

/// `NAME.key`, `NAME.pem`; a wildcard's star becomes `_`, as do characters with a meaning in paths.
pub fn file_name(name: &str, extension: &str) -> PathBuf {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    let stem: String = name
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    let stem = match stem.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => stem,
    };
    PathBuf::from(format!("{stem}.{extension}"))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn refusal(path: &Path, why: &io::Error) -> Failure {
    if why.kind() == io::ErrorKind::AlreadyExists {
        let hint = "use it by --reuse-key, name another file by --key, or move it away";
        return fault(
            Exit::Conflict,
            path,
            "exists already and is never overwritten",
            hint,
        );
    }
    fault(
        Exit::Config,
        path,
        &format!("cannot be made: {why}"),
        "name a file by --key",
    )
}

fn fault(exit: Exit, path: &Path, why: &str, hint: &str) -> Failure {
    Failure::new(exit, "private key", &path.display().to_string(), why, hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let made = generate(&path, KeyAlgorithm::EcdsaP256).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            read(&path).unwrap().public_key().spki_sha256(),
            made.public_key().spki_sha256()
        );
        let before = fs::read(&path).unwrap();
        let again = generate(&path, KeyAlgorithm::EcdsaP256).err().unwrap();
        assert_eq!((again.code(), fs::read(&path).unwrap()), (5, before));
        assert!(again.to_string().contains("--reuse-key"), "{again}");
    }

    #[test]
    fn a_dangling_link_counts_as_there() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("a.key");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
        assert_eq!(
            generate(&link, KeyAlgorithm::EcdsaP256)
                .err()
                .unwrap()
                .code(),
            5
        );
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn a_lax_or_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        fs::write(&path, "canary").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let lax = read(&path).err().unwrap();
        assert!(lax.code() == 3 && lax.to_string().contains("0644"), "{lax}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let foreign = read(&path).err().unwrap();
        assert!(
            foreign.code() == 3 && !foreign.to_string().contains("canary"),
            "{foreign}"
        );
    }

    #[test]
    fn names_become_plain_file_names() {
        let name = |text: &str| file_name(text, "key").display().to_string();
        assert_eq!(name("shop.example.com"), "shop.example.com.key");
        assert_eq!(name("*.example.com"), "_.example.com.key");
        assert_eq!(name("../x"), "_._x.key");
        assert_eq!(name("2001:db8::1"), "2001:db8::1.key");
    }
}
