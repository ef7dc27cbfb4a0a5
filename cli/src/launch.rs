//! Hands a parsed command line to a client verb or to a role.
//!
//! Invariant: the environment is read once, here.

use std::process::ExitCode;

use certmill_settings::{Env, Role, Settings};
use rustix::process::{DumpableBehavior, nice, set_dumpable_behavior};
use tokio::runtime::{Builder, Runtime};

use crate::args::{Cli, Command, Global, RoleCommand, form_refusal};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{demo, local, roles, verbs};

/// How much nicer than others a worker is: with this it gets about a quarter of a core that it contends
/// for (`sched(7)`), and its beats, which need next to nothing, come in time.
const WORKERS_NICENESS: i32 = 5;

/// Runs what the command line asks for.
///
/// # Errors
/// Whatever ends it without success.
pub fn launch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let env = Env::of_process();
    if !matches!(command, Command::Role(_)) {
        refuse_form(&global, &command)?;
    }
    match command {
        Command::Role(role) => launch_role(role, &global, &env),
        Command::Config(verb) => {
            refuse_server_flag(&global)?;
            local::config(verb, &global, &env).map(|()| ExitCode::SUCCESS)
        }
        Command::Ca(verb) => {
            refuse_server_flag(&global)?;
            let runtime = runtime(&mut Builder::new_multi_thread())?;
            runtime.block_on(roles::operator::ca(verb, &global, &env))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Kek(verb) => {
            refuse_server_flag(&global)?;
            let runtime = runtime(&mut Builder::new_multi_thread())?;
            runtime.block_on(roles::operator::kek(verb, &global, &env))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(args) => {
            refuse_server_flag(&global)?;
            let runtime = runtime(&mut Builder::new_current_thread())?;
            let exit = runtime.block_on(local::doctor(args, &global, &env))?;
            Ok(ExitCode::from(exit.code()))
        }
        Command::Demo(args) => {
            refuse_server_flag(&global)?;
            let runtime = runtime(&mut Builder::new_current_thread())?;
            let exit = runtime.block_on(demo::run(args, &global, &env))?;
            Ok(ExitCode::from(exit.code()))
        }
        verb => {
            let runtime = runtime(&mut Builder::new_current_thread())?;
            runtime.block_on(verbs::run(verb, &global, &env))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn refuse_form(global: &Global, command: &Command) -> Result<(), Failure> {
    let word = global.output.as_deref();
    match word.and_then(|word| form_refusal(word, command.formats())) {
        Some(why) => {
            let hint = "choose one of them";
            Err(Failure::new(
                Exit::Usage,
                "form",
                "flag --output",
                &why,
                hint,
            ))
        }
        None => Ok(()),
    }
}

fn refuse_server_flag(global: &Global) -> Result<(), Failure> {
    match global.server_flag() {
        Some(flag) => {
            let why = "this command talks to no server";
            Err(Failure::new(Exit::Usage, "flag", flag, why, "leave it out"))
        }
        None => Ok(()),
    }
}

fn launch_role(command: RoleCommand, global: &Global, env: &Env) -> Result<ExitCode, Failure> {
    if let Some(flag) = global.client_only_flag() {
        let why = "it means nothing to a role";
        return Err(Failure::new(Exit::Usage, "flag", flag, why, "leave it out"));
    }
    keep_memory_private()?;
    let migrating = command.migrating();
    let (role, overrides) = command.overrides(global);
    let settings = Settings::load(role, &overrides, env)?;
    if settings.role == Role::Worker {
        give_way();
    }
    let runtime = runtime(&mut Builder::new_multi_thread())?;
    let exit = runtime.block_on(roles::run(settings, migrating))?;
    Ok(ExitCode::from(exit.code()))
}

/// A worker on the machine of an api or of the database gives way to them: somebody waits for their
/// answers. Its threads inherit it, so it comes before the first of them.
fn give_way() {
    // To be nicer is always allowed.
    nice(WORKERS_NICENESS).ok();
}

/// A role holds keys. From here on the kernel writes no core of it, and only root may attach to it or
/// read its `/proc/<pid>/environ` and `mem`; other processes of the same user may not.
fn keep_memory_private() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|why| {
        let hint = "let this process call prctl";
        Failure::new(
            Exit::Failed,
            "memory protection",
            "system",
            &why.to_string(),
            hint,
        )
    })
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(|why| {
        let hint = "look at the limits of this process";
        Failure::new(
            Exit::Failed,
            "start",
            "this machine",
            &why.to_string(),
            hint,
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn a_role_leaves_no_core() {
        keep_memory_private().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
