//! What the command-line client takes from its environment.
//!
//! Invariant: an API key is trimmed, checked, and never shown.

use std::path::PathBuf;

use crate::{Env, Error, Secret, secret_file};

/// The client's variables, those that are set.
#[derive(Clone, Debug, Default)]
pub struct ClientEnv {
    /// `CERTMILL_URL`: base URL of the server.
    pub url: Option<String>,
    /// `CERTMILL_API_KEY_FILE`: file of the bearer key.
    pub api_key_file: Option<PathBuf>,
    /// `CERTMILL_API_KEY`: the bearer key itself.
    pub api_key: Option<Secret>,
    /// `CERTMILL_CA_FILE`: PEM of the only trust anchor.
    pub ca_file: Option<PathBuf>,
    /// `CERTMILL_DATA_DIR`: where a local server keeps `admin.key` and `ca.pem`.
    pub data_dir: Option<PathBuf>,
    /// `NO_COLOR` is set, to whatever value.
    pub no_color: bool,
}

impl ClientEnv {
    /// Picks the client's variables out of the environment.
    ///
    /// # Errors
    /// `CERTMILL_API_KEY` holds a control character.
    pub fn read(env: &Env) -> Result<Self, Error> {
        let path = |name: &str| env.var(name).map(PathBuf::from);
        let api_key = env
            .var("CERTMILL_API_KEY")
            .map(|key| secret_file::clean("API key", "env CERTMILL_API_KEY", key))
            .transpose()
            .map_err(|problem| Error::Invalid(vec![problem]))?;
        Ok(Self {
            url: env.var("CERTMILL_URL").map(str::to_owned),
            api_key_file: path("CERTMILL_API_KEY_FILE"),
            api_key,
            ca_file: path("CERTMILL_CA_FILE"),
            data_dir: path("CERTMILL_DATA_DIR"),
            no_color: env.var("NO_COLOR").is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn trims_the_key_and_names_the_variable_not_its_value() {
        let client = ClientEnv::read(&Env::with_vars([
            ("CERTMILL_API_KEY", "canary\n"),
            ("CERTMILL_URL", "https://h"),
            ("NO_COLOR", "1"),
        ]));
        let client = client.unwrap();
        assert_eq!(client.api_key.as_ref().unwrap().expose_secret(), "canary");
        assert!(client.no_color && !format!("{client:?}").contains("canary"));

        let error = ClientEnv::read(&Env::with_vars([("CERTMILL_API_KEY", "can\nary")]));
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 3);
        let text = error.to_string();
        assert!(
            text.contains("CERTMILL_API_KEY") && !text.contains("ary\n"),
            "{text}"
        );
    }
}
