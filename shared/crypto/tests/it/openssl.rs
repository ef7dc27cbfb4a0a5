//! Runs the `openssl` of the machine in a folder of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "starting openssl is what this file is for"
)]

use std::path::Path;
use std::process::{Command, Output};

/// A temporary folder in which `openssl` runs.
pub struct OpenSsl {
    dir: tempfile::TempDir,
}

impl OpenSsl {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path().join(name), content).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn output(&self, line: &str) -> Output {
        let args = line.split_whitespace();
        let mut command = Command::new("openssl");
        command
            .args(args)
            .current_dir(self.path())
            .env("OPENSSL_CONF", "/dev/null");
        command.output().unwrap()
    }

    /// Runs a command line without quoting; returns both outputs, and panics if it fails.
    pub fn run(&self, line: &str) -> String {
        let output = self.output(line);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "openssl {line}: {text}");
        text
    }
}
