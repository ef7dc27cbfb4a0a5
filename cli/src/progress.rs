//! Shows on a terminal how far a job has come.
//!
//! Invariant: off a terminal it prints nothing at all.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::plain;

/// The steps of a job as a line that lives.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    subject: String,
    steps: Vec<String>,
}

impl Progress {
    /// Starts a line about `subject`, if stderr is a terminal.
    pub fn start(subject: &str, no_color: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        if io::stderr().is_terminal() {
            let template = if no_color {
                "{spinner} {msg} ({elapsed})"
            } else {
                "{spinner:.cyan} {msg} ({elapsed})"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(plain(subject));
            bar.enable_steady_tick(Duration::from_millis(100));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            bar,
            subject: plain(subject),
            steps: Vec::new(),
        }
    }

    /// The job has come to this step.
    pub fn step(&mut self, step: &str) {
        if self.steps.last().is_none_or(|last| last != step) {
            self.steps.push(plain(step));
            self.bar.set_message(self.line());
        }
    }

    /// The job is so far by now; what was said before is taken back.
    pub fn now(&mut self, how_far: &str) {
        self.steps = vec![plain(how_far)];
        self.bar.set_message(self.line());
    }

    /// Leaves the last state on the screen.
    pub fn end(&self) {
        self.bar.abandon_with_message(self.line());
    }

    fn line(&self) -> String {
        format!("{}: {}", self.subject, self.steps.join(" -> "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_named_once() {
        let mut progress = Progress::start("a.example", true);
        for step in ["queued", "queued", "running", "issued"] {
            progress.step(step);
        }
        progress.end();
        assert_eq!(progress.line(), "a.example: queued -> running -> issued");
    }
}
