//! `certmill certs download`: the chain, and a key that the server made, as files.
//!
//! Invariant: a chain file is whole or absent, a key file is 0600 and never replaces another key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::args::DownloadArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::{key_file, lookup};

/// Which files were written, for scripts.
#[derive(Debug, Serialize)]
struct Written {
    chain_file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
}

/// Writes `NAME.pem`, and `NAME.key` if asked for.
pub async fn download(args: DownloadArgs, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let certificate = lookup::certificate(client, &args.certificate).await?;
    let what = format!("certificate {}", certificate.name);
    let failed = |error| Failure::of_call(&what, &error);
    let chain = client.chain(&certificate.id).await.map_err(failed)?;
    let key_file = if args.with_key {
        let key = client
            .certificate_key(&certificate.id)
            .await
            .map_err(failed)?;
        let path = args.out.join(key_file::file_name(&certificate.name, "key"));
        write_key(&path, &key)?;
        Some(path)
    } else {
        None
    };
    let chain_file = args.out.join(key_file::file_name(&certificate.name, "pem"));
    replace(&chain_file, &chain).map_err(|why| {
        let hint = "name a folder by --out";
        let place = chain_file.display().to_string();
        Failure::new(
            Exit::Config,
            "chain file",
            &place,
            &format!("cannot be written: {why}"),
            hint,
        )
    })?;
    let written = Written {
        chain_file,
        key_file,
    };
    if session.output.is_value() {
        return session.output.value(&written);
    }
    session.output.fields(&[
        ("chain file", written.chain_file.display().to_string()),
        (
            "key file",
            written
                .key_file
                .map(|file| file.display().to_string())
                .unwrap_or_default(),
        ),
    ])
}

/// Leaves a file alone that holds the same key already, so that a download can be repeated.
fn write_key(path: &Path, key: &secrecy::SecretString) -> Result<(), Failure> {
    let held = fs::read(path).map(zeroize_on_drop);
    match held {
        Ok(held) if held.expose_secret() == key.expose_secret().as_bytes() => {
            certmill_settings::check_key_mode("private key", path)
                .map_err(|problem| Failure::config(vec![problem.to_string()]))
        }
        _ => key_file::write_new(path, key),
    }
}

fn zeroize_on_drop(bytes: Vec<u8>) -> secrecy::SecretSlice<u8> {
    bytes.into()
}

/// Replaces a file at once: a server that reads it sees the old chain or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    fs::write(&aside, text)?;
    fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_written_once_and_another_never_over_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_key(&path, &"one".into()).unwrap();
        write_key(&path, &"one".into()).unwrap();
        assert_eq!(write_key(&path, &"two".into()).unwrap_err().code(), 5);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }

    #[test]
    fn a_chain_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem");
        replace(&path, "old").unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
