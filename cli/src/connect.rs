//! Finds the server, the key and the trust anchor.
//!
//! Invariant: the key of the default data folder goes only to that folder's server, and an API
//! key file that others can read is not used.

use std::path::{Path, PathBuf};

use certmill_settings::{ClientEnv, Secret, read_key_file};
use certmill_wire::client::{Client, ClientConfig};

use crate::args::Global;
use crate::failure::Failure;

/// Where a server of this machine listens unless told otherwise.
const DEFAULT_URL: &str = "https://127.0.0.1:8443";
/// The file in which a server of this machine leaves its address.
const URL_FILE: &str = "url";

/// A server as found, before anything is read.
#[derive(Debug)]
struct Found {
    url: String,
    url_origin: String,
    key: Key,
    ca: Anchor,
}

#[derive(Debug)]
enum Key {
    Text(Secret),
    File(PathBuf),
    /// Of a folder in which a server may never have run.
    Folder(PathBuf),
    Missing,
}

#[derive(Debug)]
enum Anchor {
    /// Named, so it must be there.
    File(PathBuf),
    /// Of a data folder; without it those of the system.
    Folder(PathBuf),
    System,
}

/// A client of the server that flags, environment or data folder name.
///
/// # Errors
/// Exit code 3 with everything that is missing or refused.
pub fn connect(global: &Global, env: &ClientEnv, default_dir: &Path) -> Result<Client, Failure> {
    let found = find(global, env, default_dir);
    let key = read_key(found.key).map(Some);
    client(found.url, &found.url_origin, found.ca, key)
}

/// As [`connect`], for a call that needs no key: none is looked for, and none is sent.
///
/// # Errors
/// Exit code 3 with everything that is missing or refused.
pub fn connect_without_key(
    global: &Global,
    env: &ClientEnv,
    default_dir: &Path,
) -> Result<Client, Failure> {
    let found = find(global, env, default_dir);
    client(found.url, &found.url_origin, found.ca, Ok(None))
}

fn client(
    url: String,
    url_origin: &str,
    ca: Anchor,
    key: Result<Option<Secret>, String>,
) -> Result<Client, Failure> {
    let mut faults = Vec::new();
    let mut config = ClientConfig::new(url);
    match key {
        Ok(Some(key)) => config = config.with_api_key(key),
        Ok(None) => {}
        Err(fault) => faults.push(fault),
    }
    match read_anchor(ca) {
        Ok(Some(pem)) => config = config.with_ca_pem(pem),
        Ok(None) => {}
        Err(fault) => faults.push(fault),
    }
    let url = ClientConfig::new(config.base_url.clone());
    let client = Client::new(if faults.is_empty() { config } else { url });
    match client {
        Ok(client) if faults.is_empty() => Ok(client),
        Ok(_) => Err(Failure::config(faults)),
        Err(error) => {
            faults.insert(0, format!("server ({url_origin}): {error}"));
            Err(Failure::config(faults))
        }
    }
}

/// Flags over a data folder given as flag over the environment over the default folder.
fn find(global: &Global, env: &ClientEnv, default_dir: &Path) -> Found {
    let mut found = match (&global.data_dir, &env.url) {
        (Some(dir), _) => of_folder(dir),
        (None, Some(url)) => Found {
            url: url.clone(),
            url_origin: "env CERTMILL_URL".into(),
            ..of_env(env, env.data_dir.as_deref())
        },
        (None, None) => {
            let dir = env.data_dir.as_deref().unwrap_or(default_dir);
            let own = of_folder(dir);
            let named = of_env(env, Some(dir));
            Found {
                key: named.key,
                ca: named.ca,
                ..own
            }
        }
    };
    if let Some(url) = &global.url {
        // Another server than the default folder's must not be sent that folder's key.
        let dir = global.data_dir.as_deref().or(env.data_dir.as_deref());
        found = match &global.data_dir {
            Some(_) => found,
            None => of_env(env, dir),
        };
        found.url.clone_from(url);
        found.url_origin = "flag --url".into();
    }
    if let Some(file) = &global.api_key_file {
        found.key = Key::File(file.clone());
    }
    if let Some(file) = &global.ca_file {
        found.ca = Anchor::File(file.clone());
    }
    found
}

fn of_folder(dir: &Path) -> Found {
    let file = dir.join(URL_FILE);
    let noted = std::fs::read_to_string(&file).ok();
    let line = noted
        .as_deref()
        .and_then(|text| text.lines().next())
        .map(str::trim);
    Found {
        url: line
            .filter(|line| !line.is_empty())
            .unwrap_or(DEFAULT_URL)
            .to_owned(),
        url_origin: file.display().to_string(),
        key: Key::Folder(dir.to_owned()),
        ca: Anchor::Folder(dir.to_owned()),
    }
}

/// What the environment names; what it does not name comes from the folder, if there is one.
fn of_env(env: &ClientEnv, dir: Option<&Path>) -> Found {
    let key = match (&env.api_key_file, &env.api_key, dir) {
        (Some(file), _, _) => Key::File(file.clone()),
        (None, Some(key), _) => Key::Text(key.clone()),
        (None, None, Some(dir)) => Key::Folder(dir.to_owned()),
        (None, None, None) => Key::Missing,
    };
    let ca = match (&env.ca_file, dir) {
        (Some(file), _) => Anchor::File(file.clone()),
        (None, Some(dir)) => Anchor::Folder(dir.to_owned()),
        (None, None) => Anchor::System,
    };
    Found {
        url: DEFAULT_URL.into(),
        url_origin: "default".into(),
        key,
        ca,
    }
}

fn read_key(key: Key) -> Result<Secret, String> {
    match key {
        Key::Text(key) => Ok(key),
        Key::File(file) => read_key_file("API key", &file).map_err(|problem| problem.to_string()),
        Key::Folder(dir) => {
            let file = dir.join("admin.key");
            if !file.try_exists().unwrap_or(true) {
                return Err(format!(
                    "API key ({}): no server has run with this data folder; run `certmill up`, \
                     or name a server by --data-dir, or by CERTMILL_URL, CERTMILL_API_KEY_FILE \
                     and CERTMILL_CA_FILE",
                    file.display()
                ));
            }
            read_key_file("API key", &file).map_err(|problem| problem.to_string())
        }
        Key::Missing => Err(
            "API key (not given): the server asks for one; name its file by --api-key-file or \
             CERTMILL_API_KEY_FILE"
                .to_owned(),
        ),
    }
}

fn read_anchor(anchor: Anchor) -> Result<Option<Vec<u8>>, String> {
    let (file, is_named) = match anchor {
        Anchor::System => return Ok(None),
        Anchor::File(file) => (file, true),
        Anchor::Folder(dir) => (dir.join("ca.pem"), false),
    };
    match std::fs::read(&file) {
        Ok(pem) => Ok(Some(pem)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(format!(
            "trust anchor ({}): cannot be read: {error}; check the path and its owner",
            file.display()
        )),
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
