//! Runs one command, passes its output on line by line and counts test results on the way.
//! Invariant: a command that outlives its deadline is ended with all its children.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::tally::Tally;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub success: bool,
    pub tally: Tally,
    pub timed_out: bool,
}

/// Children may keep the pipe open after their parent has ended; this is how long we listen on.
const LINGER: Duration = Duration::from_secs(3);

/// Runs the command to its end or to the deadline; its output goes to `out`.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, deadline: Instant, out: &mut dyn Write) -> Result<Ended> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let lines = lines_of(&mut child);
    let mut tally = Tally::default();
    let mut timed_out = false;
    let status = loop {
        let open = pass_on(&lines, Duration::from_millis(200), &mut tally, out);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if !open {
            thread::sleep(Duration::from_millis(50));
        }
        if !timed_out && Instant::now() >= deadline {
            timed_out = true;
            end_tree(child.id());
        }
    };
    let quiet = Instant::now() + LINGER;
    while Instant::now() < quiet && pass_on(&lines, Duration::from_millis(100), &mut tally, out) {}
    Ok(Ended {
        success: status.success() && !timed_out,
        tally,
        timed_out,
    })
}

fn lines_of(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                match reader.read_until(b'\n', &mut line) {
                    Ok(1..) if sender.send(line).is_ok() => {}
                    _ => break,
                }
            }
        });
    }
    receiver
}

/// Passes on what comes within `wait`; false once the pipe is closed.
fn pass_on(
    lines: &Receiver<Vec<u8>>,
    wait: Duration,
    tally: &mut Tally,
    out: &mut dyn Write,
) -> bool {
    let until = Instant::now() + wait;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(found) = Tally::of_line(String::from_utf8_lossy(&line).trim_end()) {
                    *tally += found;
                }
                let shown = out.write_all(&line).and_then(|()| out.flush());
                if shown.is_err() {
                    return false;
                }
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Kills a process and all its descendants, found through their parents in /proc.
fn end_tree(root: u32) {
    let parents = parents(Path::new("/proc"));
    let mut doomed = vec![root];
    let mut at = 0;
    while at < doomed.len() {
        let parent = doomed[at];
        doomed.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(process, _)| *process),
        );
        at += 1;
    }
    let list = doomed
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -KILL {list}")])
        .status();
    if !killed.is_ok_and(|status| status.success()) {
        eprintln!("xtask: could not end all of the processes {list}");
    }
}

/// (process, parent) of everything that runs.
fn parents(proc_folder: &Path) -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir(proc_folder) else {
        return Vec::new();
    };
    let of_entry = |entry: std::fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        Some((process, after_name.split_whitespace().nth(1)?.parse().ok()?))
    };
    entries.flatten().filter_map(of_entry).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn counts_and_reports_failure() {
        let script = "echo 'test result: ok. 2 passed; 0 failed; 1 ignored; x'; exit 3";
        let ended = run(
            &mut shell(script),
            Instant::now() + Duration::from_secs(20),
            &mut Vec::new(),
        )
        .unwrap();
        assert!(!ended.success && !ended.timed_out);
        assert_eq!(
            ended.tally,
            Tally {
                passed: 2,
                failed: 0,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_hung_command_is_ended_with_its_children() {
        let began = Instant::now();
        let script = "sleep 61 & sleep 62; echo never";
        let ended = run(
            &mut shell(script),
            began + Duration::from_millis(300),
            &mut Vec::new(),
        )
        .unwrap();
        assert!(ended.timed_out && !ended.success);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn an_orphan_that_keeps_the_pipe_open_does_not_hang_us() {
        let began = Instant::now();
        let ended = run(
            &mut shell("sleep 30 & exit 0"),
            began + Duration::from_secs(60),
            &mut Vec::new(),
        )
        .unwrap();
        assert!(ended.success);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
