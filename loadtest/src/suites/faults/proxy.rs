//! A way to Postgres that can be cut, delayed, reset and made to swallow answers.
//!
//! Invariant: it listens on loopback only; while its mode is `Pass` it changes nothing; a connection
//! that has missed something never goes on afterwards.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_tasks::{Shutdown, Tasks};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use super::frames::{Frames, is_commit, is_hint};
use super::mode::Mode;

/// Where a proxy leads.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A socket file.
    Unix(PathBuf),
    /// An address on loopback.
    Tcp(SocketAddr),
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Upstream {
    async fn connect(&self) -> std::io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

/// A running proxy; it ends with this value.
pub struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Upstream>,
    mode: watch::Sender<Mode>,
    counts: Arc<Counts>,
    tasks: Tasks,
}

#[derive(Default)]
struct Counts {
    hurt: AtomicU64,
    commits: AtomicU64,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.shutdown_token().request();
    }
}

impl Proxy {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// There is none.
    pub async fn open(upstream: Upstream) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let (upstream, led) = watch::channel(upstream);
        let counts = Arc::new(Counts::default());
        let tasks = Tasks::new(Shutdown::new());
        let door = Door {
            upstream: led,
            mode: watched,
            counts: counts.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn("proxy", async move { door.serve(listener).await });
        Ok(Self {
            address,
            upstream,
            mode,
            counts,
            tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead there from now on.
    pub fn lead_to(&self, upstream: Upstream) {
        self.upstream.send_replace(upstream);
    }

    /// From now on this.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections, answers or messages it has harmed so far.
    pub fn hurt(&self) -> u64 {
        self.counts.hurt.load(Ordering::Relaxed)
    }
}

struct Door {
    upstream: watch::Receiver<Upstream>,
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
    tasks: Tasks,
}

impl Door {
    async fn serve(self, listener: TcpListener) {
        let shutdown = self.tasks.shutdown_token();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.requested() => return,
            };
            let Ok((client, _)) = accepted else {
                // Out of descriptors: a moment for others to end.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let passage = Passage {
                mode: self.mode.clone(),
                counts: self.counts.clone(),
                missed: false,
                lost_commit: false,
            };
            let (upstream, shutdown) = (self.upstream.borrow().clone(), shutdown.clone());
            self.tasks.spawn("passage", async move {
                tokio::select! {
                    () = passage.run(client, upstream) => {}
                    () = shutdown.requested() => {}
                }
            });
        }
    }
}

/// One connection through the proxy.
struct Passage {
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
    /// It has missed an answer, so that nothing on it makes sense any more.
    missed: bool,
    /// The next answer is that of a commit, and gets lost.
    lost_commit: bool,
}

/// Whether a connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    On,
    End,
}

impl Passage {
    async fn run(mut self, mut client: TcpStream, upstream: Upstream) {
        client.set_nodelay(true).ok();
        if let Some(end) = self.closing() {
            self.end(&client, end);
            return;
        }
        let Ok(mut server) = upstream.connect().await else {
            return;
        };
        let (mut asked, mut answered) = (Frames::of_client(), Frames::of_server());
        loop {
            let silent = *self.mode.borrow() == Mode::Silent;
            tokio::select! {
                changed = self.mode.changed() => if changed.is_err() { return },
                read = client.read_buf(&mut asked.bytes), if !silent => {
                    if !matches!(read, Ok(1..)) { return }
                }
                read = server.read_buf(&mut answered.bytes), if !silent => {
                    if !matches!(read, Ok(1..)) { return }
                }
            }
            if let Some(end) = self.closing() {
                self.end(&client, end);
                return;
            }
            let mode = *self.mode.borrow();
            if mode == Mode::Silent {
                self.count();
                continue;
            }
            let read = asked.bytes.len() + answered.bytes.len();
            if let Some(late) = mode.lateness(read) {
                self.count();
                tokio::time::sleep(late).await;
            }
            if self.ask(mode, &mut asked, &mut server).await == Next::End
                || self.answer(mode, &mut answered, &mut client).await == Next::End
            {
                return;
            }
        }
    }

    /// Whether the mode ends every connection, and whether by RST.
    fn closing(&self) -> Option<bool> {
        match *self.mode.borrow() {
            Mode::Cut => Some(false),
            Mode::Reset => Some(true),
            Mode::SwallowAnswers => None,
            _ if self.missed => Some(false),
            _ => None,
        }
    }

    fn end(&self, client: &TcpStream, by_reset: bool) {
        self.count();
        if by_reset {
            client.set_zero_linger().ok();
        }
    }

    fn count(&self) {
        self.counts.hurt.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this commit is one of those that are lost.
    fn is_drawn(&self, one_of: u64) -> bool {
        let nth = self.counts.commits.fetch_add(1, Ordering::Relaxed) + 1;
        nth.is_multiple_of(one_of.max(1))
    }

    async fn ask(&mut self, mode: Mode, frames: &mut Frames, server: &mut Box<dyn Wire>) -> Next {
        loop {
            let frame = match frames.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Next::On,
                Err(_) => return Next::End,
            };
            if is_commit(&frame) {
                match mode {
                    Mode::LoseCommits(one_of) if self.is_drawn(one_of) => {
                        self.count();
                        return Next::End;
                    }
                    Mode::LoseCommitAnswers(one_of) => self.lost_commit = self.is_drawn(one_of),
                    _ => {}
                }
            }
            if server.write_all(&frame).await.is_err() {
                return Next::End;
            }
        }
    }

    async fn answer(&mut self, mode: Mode, frames: &mut Frames, client: &mut TcpStream) -> Next {
        loop {
            let frame = match frames.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Next::On,
                Err(_) => return Next::End,
            };
            if self.lost_commit {
                self.count();
                return Next::End;
            }
            if mode == Mode::SwallowAnswers {
                self.count();
                self.missed = true;
                continue;
            }
            if mode == Mode::DropHints && is_hint(&frame) {
                self.count();
                continue;
            }
            if client.write_all(&frame).await.is_err() {
                return Next::End;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HELLO: &[u8] = b"\0\0\0\x08\0\x03\0\0";
    const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
    const ANSWER: &[u8] = b"Z\0\0\0\x05I";

    /// A server that takes a start and commits, and answers each; how many commits it got.
    async fn server() -> (SocketAddr, Arc<AtomicU64>, Tasks) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, got) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (tasks, counted) = (Tasks::new(Shutdown::new()), got.clone());
        let inner = tasks.clone();
        tasks.spawn("server", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = counted.clone();
                inner.spawn("session", async move {
                    let mut frames = Frames::of_client();
                    while let Ok(1..) = stream.read_buf(&mut frames.bytes).await {
                        while let Ok(Some(frame)) = frames.next() {
                            counted.fetch_add(u64::from(is_commit(&frame)), Ordering::Relaxed);
                            stream.write_all(ANSWER).await.ok();
                        }
                    }
                });
            }
        });
        (address, got, tasks)
    }

    async fn ask(stream: &mut TcpStream, what: &[u8]) -> std::io::Result<usize> {
        stream.write_all(what).await?;
        let mut answer = [0; 6];
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut answer));
        read.await
            .unwrap_or(Err(std::io::ErrorKind::TimedOut.into()))
    }

    #[tokio::test]
    async fn each_mode_does_what_it_says() {
        let (address, got, _tasks) = server().await;
        let proxy = Proxy::open(Upstream::Tcp(address)).await.unwrap();
        let open = async || {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            let said = ask(&mut stream, HELLO).await;
            (stream, said)
        };
        let (mut stream, said) = open().await;
        assert_eq!(said.unwrap(), 6);
        assert_eq!(ask(&mut stream, COMMIT).await.unwrap(), 6);
        assert_eq!((proxy.hurt(), got.load(Ordering::Relaxed)), (0, 1));

        proxy.set(Mode::LoseCommits(1));
        assert_eq!(ask(&mut stream, COMMIT).await.unwrap_or(0), 0);
        assert_eq!(got.load(Ordering::Relaxed), 1, "it was not sent");
        proxy.set(Mode::LoseCommitAnswers(1));
        let (mut stream, _) = open().await;
        assert_eq!(ask(&mut stream, COMMIT).await.unwrap_or(0), 0);
        assert_eq!(got.load(Ordering::Relaxed), 2, "it was sent");

        proxy.set(Mode::Pass);
        let (mut stream, _) = open().await;
        proxy.set(Mode::SwallowAnswers);
        assert!(ask(&mut stream, COMMIT).await.is_err(), "no answer");
        assert_eq!(got.load(Ordering::Relaxed), 3);
        proxy.set(Mode::Pass);
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "it ends");

        let (mut stream, _) = open().await;
        proxy.set(Mode::Silent);
        assert!(ask(&mut stream, COMMIT).await.is_err());
        assert_eq!(got.load(Ordering::Relaxed), 3, "nothing arrived");
        proxy.set(Mode::Reset);
        let ended = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
        proxy.set(Mode::Cut);
        assert!(!matches!(open().await.1, Ok(1..)), "closed at once");
        assert!(proxy.hurt() >= 5);
    }
}
