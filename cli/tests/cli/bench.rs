//! A place to run the binary in.
//!
//! Invariant: each run sees only the variables that the test names, and no canary comes out of it.
#![allow(
    clippy::disallowed_methods,
    reason = "the binary under test is a process"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A home folder, and the variables that a run sees.
pub struct Bench {
    pub home: TempDir,
    vars: Vec<(&'static str, String)>,
}

/// How a run ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            vars: Vec::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certmill"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
            .env("HOME", self.home.path())
            .envs(self.vars.iter().map(|(k, v)| (k, v)));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).output().unwrap())
    }

    /// A data folder with a key and the address of a port where nobody listens.
    pub fn folder(&self, key_mode: u32) -> String {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let dir = self.home.path().join("data");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("url"), format!("https://{closed}\n")).unwrap();
        write_key(&dir.join("admin.key"), key_mode);
        dir.display().to_string()
    }
}

pub fn write_key(path: &Path, mode: u32) {
    fs::write(path, "canary-key\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(
        !stderr.contains("panicked") && !stderr.contains("canary"),
        "{stderr}"
    );
    Ended {
        code: output.status.code(),
        stdout,
        stderr,
    }
}
