//! The files that a role leaves in its data folder for clients on the same machine.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// Makes the data folder. It can be traversed by others, since the embedded database runs as
/// another user; what is secret in it has a mode of its own.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|why| refuse(path, "make", &why))
}

/// Writes a public file whole or not at all.
pub fn write_public(path: &Path, content: &str) -> Result<(), Failure> {
    write(path, content, 0o644)
}

/// Writes a secret file, mode 0600, whole or not at all.
pub fn write_secret(path: &Path, content: &str) -> Result<(), Failure> {
    write(path, content, 0o600)
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), Failure> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    })();
    written.map_err(|why| refuse(path, "write", &why))
}

fn refuse(path: &Path, doing: &str, why: &std::io::Error) -> Failure {
    let hint = "choose a folder that this user may write: --data-dir DIR";
    Failure::new(
        Exit::Config,
        &format!("cannot {doing}"),
        &path.display().to_string(),
        &why.to_string(),
        hint,
    )
}
