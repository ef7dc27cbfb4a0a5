//! Commands that need no server: they read settings, and look at this machine and its database.
//!
//! Invariant: they change nothing.

mod config;
mod doctor;
mod machine;

pub use config::run as config;
pub use doctor::run as doctor;

use crate::args::{Format, Global};
use crate::exit::Exit;
use crate::failure::Failure;

/// Only `config show` has a form that is a settings file.
fn refuse_toml(global: &Global) -> Result<(), Failure> {
    if global.format() != Format::Toml {
        return Ok(());
    }
    let why = "toml is a form of `config show` only";
    Err(Failure::new(
        Exit::Usage,
        "form",
        "flag --output",
        why,
        "use table or json",
    ))
}
