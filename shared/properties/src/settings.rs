//! The settings file.

use std::cell::RefCell;
use std::io::{Seek as _, Write as _};

use certmill_settings::{DatabaseAddress, Env, Overrides, Role, Settings};
use secrecy::ExposeSecret as _;
use tempfile::NamedTempFile;

use crate::assert_one_plain_line;

thread_local! {
    /// Written anew for each input, since settings are read from a file by its name.
    static FILE: RefCell<Option<NamedTempFile>> = const { RefCell::new(None) };
}

/// A file gives the same settings each time, without a password in their `Debug`; or problems, each
/// in one line that names its place.
pub fn settings(input: &[u8]) {
    FILE.with_borrow_mut(|file| {
        let made = file.take().map_or_else(NamedTempFile::new, Ok);
        let Ok(mut made) = made.and_then(|file| filled(file, input)) else {
            panic!("the temporary file cannot be written");
        };
        read(&made);
        made.flush().ok();
        *file = Some(made);
    });
}

fn filled(mut file: NamedTempFile, input: &[u8]) -> std::io::Result<NamedTempFile> {
    file.as_file().set_len(0)?;
    file.rewind()?;
    file.write_all(input)?;
    Ok(file)
}

fn read(file: &NamedTempFile) {
    let overrides = Overrides {
        config: Some(file.path().to_owned()),
        ..Overrides::default()
    };
    let env = Env::with_vars([("HOME", "/tmp/none")]);
    let load = || Settings::load(Role::Up, &overrides, &env);
    match load() {
        Ok(settings) => {
            let shown = format!("{settings:?}");
            assert!(load().is_ok_and(|again| format!("{again:?}") == shown));
            for url in [settings.database.url, settings.database.migrate_url] {
                let Some(url) = url else { continue };
                let url = url.expose_secret();
                let secret = DatabaseAddress::parse(url).is_ok_and(|a| a.has_password);
                assert!(!secret || !shown.contains(url), "a password is shown");
            }
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!(!problem.what.is_empty() && !problem.where_.is_empty());
                assert_one_plain_line(&problem.to_string(), 5_000);
            }
        }
    }
}
