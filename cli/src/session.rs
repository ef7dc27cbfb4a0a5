//! What every client verb works with: the server and the output.
//!
//! Invariant: nothing is sent before flags, environment and files are found sound.

use std::path::Path;

use certmill_settings::{ClientEnv, Env, default_data_dir};
use certmill_wire::client::Client;

use crate::args::Global;
use crate::connect::{connect, connect_without_key};
use crate::failure::Failure;
use crate::output::Output;

/// A server to talk to and a place to print to.
#[derive(Debug)]
pub struct Session {
    /// The server.
    pub client: Client,
    /// The output.
    pub output: Output,
    /// Whether colours are unwanted.
    pub no_color: bool,
}

impl Session {
    /// Finds the server.
    ///
    /// # Errors
    /// Exit code 3 with everything that is missing or refused.
    pub fn open(global: &Global, env: &Env) -> Result<Self, Failure> {
        Self::open_with(global, env, connect)
    }

    /// Finds the server for a call that needs no key.
    ///
    /// # Errors
    /// Exit code 3 with everything that is missing or refused.
    pub fn open_without_key(global: &Global, env: &Env) -> Result<Self, Failure> {
        Self::open_with(global, env, connect_without_key)
    }

    fn open_with(
        global: &Global,
        env: &Env,
        connect: fn(&Global, &ClientEnv, &Path) -> Result<Client, Failure>,
    ) -> Result<Self, Failure> {
        let client_env = ClientEnv::read(env)?;
        Ok(Self {
            client: connect(global, &client_env, &default_data_dir(env))?,
            output: Output::new(global.format(), client_env.no_color),
            no_color: client_env.no_color,
        })
    }
}
