//! The socket in the folder, over which a second command steers the running demonstration.
//!
//! It speaks lines of JSON: one question, then lines until the end. Only this user can open the socket.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::tale::Told;
use crate::args::DemoVerb;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;

/// A question, and where its answer goes.
pub(super) type Asked = (DemoVerb, UnboundedSender<Told>);

fn socket(folder: &Path) -> PathBuf {
    folder.join("demo.sock")
}

/// Answers questions from now on.
pub(super) fn listen(
    folder: &Path,
    tasks: &certmill_tasks::Tasks,
) -> Result<UnboundedReceiver<Asked>, Failure> {
    let path = socket(folder);
    let bound = UnixListener::bind(&path).and_then(|listener| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    let listener = bound.map_err(|why| {
        let hint = "name a folder with a shorter path by --data-dir";
        let path = path.display().to_string();
        Failure::new(Exit::Config, "demo", &path, &why.to_string(), hint)
    })?;
    let (asked, questions) = unbounded_channel();
    let group = tasks.clone();
    tasks.spawn("demo-control", async move {
        let shutdown = group.shutdown_token();
        while let Some(Ok((stream, _))) = shutdown.cut_short(listener.accept()).await {
            let (asked, shutdown) = (asked.clone(), group.shutdown_token());
            group.spawn("demo-question", async move {
                // A client that goes away needs no answer.
                let _ = shutdown.cut_short(answer(stream, asked)).await;
            });
        }
    });
    Ok(questions)
}

async fn answer(stream: UnixStream, asked: UnboundedSender<Asked>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).await?;
    let verb: DemoVerb = serde_json::from_str(&line)?;
    let (tell, mut told) = unbounded_channel();
    if asked.send((verb, tell)).is_err() {
        return Ok(());
    }
    while let Some(one) = told.recv().await {
        writer.write_all(&json_line(&one)?).await?;
    }
    Ok(())
}

fn json_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Asks the running demonstration, and prints what it tells.
pub(super) async fn ask(folder: &Path, verb: DemoVerb) -> Result<(), Failure> {
    let path = socket(folder);
    let stream = UnixStream::connect(&path).await.map_err(|why| {
        let hint = "start `certmill demo` in another terminal first, with the same --data-dir";
        Failure::new(
            Exit::Unreachable,
            "demo",
            &path.display().to_string(),
            &format!("no demonstration answers: {why}"),
            hint,
        )
    })?;
    let (reader, mut writer) = stream.into_split();
    writer.write_all(&json_line(&verb)?).await?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).map_err(io::Error::from)? {
            Told::Line(text) => crate::output::line(&plain(&text))?,
            Told::End(true) => return Ok(()),
            Told::End(false) => {
                let why = "it did not end as it must";
                let hint = "the last line says what was missing; the logs of all processes are in the folder";
                return Err(Failure::new(
                    Exit::Failed,
                    "demo",
                    &folder.display().to_string(),
                    why,
                    hint,
                ));
            }
        }
    }
    let why = "it ended before the story did";
    let folder = folder.display().to_string();
    Err(Failure::new(Exit::Failed, "demo", &folder, why, ""))
}
