//! A way to the database that loses one answer, after the server has given it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use certmill_pg::Pool;
use certmill_tasks::Tasks;
use certmill_testkit::TestDb;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use crate::rig::connect_options;

/// What PgBouncer says when the server process of a transaction dies, its own words and code.
const POOLERS_WORDS: &[u8] = b"SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0";

/// What the pool asks is carried out, but one answer never arrives.
#[derive(Clone, Default)]
pub struct Swallow {
    word: Arc<Mutex<Option<&'static [u8]>>>,
    as_pooler: bool,
    swallowed: Arc<AtomicBool>,
}

impl Swallow {
    /// The pool works as long as the folder lives.
    pub fn start(tasks: &Tasks, db: &TestDb) -> (Self, Pool, TempDir) {
        Self::default().serve(tasks, db)
    }

    /// As [`Swallow::start`]; in the place of the answer comes an error, as from a pooler.
    pub fn start_as_pooler(tasks: &Tasks, db: &TestDb) -> (Self, Pool, TempDir) {
        let swallow = Self {
            as_pooler: true,
            ..Self::default()
        };
        swallow.serve(tasks, db)
    }

    fn serve(self, tasks: &Tasks, db: &TestDb) -> (Self, Pool, TempDir) {
        let swallow = self;
        let server = connect_options(db);
        // A socket, since options that name one cannot be turned to a host again.
        let folder = tempfile::tempdir().unwrap();
        let name = format!(".s.PGSQL.{}", server.get_port());
        let listener = UnixListener::bind(folder.path().join(name)).unwrap();
        let near = server.clone().socket(folder.path());
        let (this, group) = (swallow.clone(), tasks.clone());
        tasks.spawn("swallow", async move {
            while let Ok((client, _)) = listener.accept().await {
                let this = this.clone();
                let (socket, host, port) = (
                    server.get_socket().cloned(),
                    server.get_host().to_owned(),
                    server.get_port(),
                );
                group.spawn("swallow connection", async move {
                    let folder =
                        socket.or_else(|| host.starts_with('/').then(|| host.clone().into()));
                    match folder {
                        Some(folder) => {
                            let path = folder.join(format!(".s.PGSQL.{port}"));
                            this.carry(client, UnixStream::connect(path).await.unwrap())
                                .await;
                        }
                        None => {
                            let far = TcpStream::connect((host.as_str(), port)).await.unwrap();
                            this.carry(client, far).await;
                        }
                    }
                });
            }
        });
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(near)
            .into();
        (swallow, pool, folder)
    }

    /// The next answer that holds this word is lost, and both sides hang up.
    pub fn arm(&self, word: &'static [u8]) {
        *self.word.lock().unwrap() = Some(word);
    }

    fn is_meant(&self, answer: &[u8]) -> bool {
        let mut armed = self.word.lock().unwrap();
        let meant = armed.is_some_and(|word| answer.windows(word.len()).any(|w| w == word));
        if meant {
            *armed = None;
        }
        meant
    }

    pub fn has_swallowed(&self) -> bool {
        self.swallowed.load(Ordering::SeqCst)
    }

    async fn carry(&self, mut client: UnixStream, mut server: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => {
                    let Ok(n @ 1..) = read else { return };
                    server.write_all(&up[..n]).await.unwrap();
                }
                read = server.read(&mut down) => {
                    let Ok(n @ 1..) = read else { return };
                    if self.is_meant(&down[..n]) {
                        self.swallowed.store(true, Ordering::SeqCst);
                        if self.as_pooler {
                            let length = u32::try_from(POOLERS_WORDS.len() + 4).unwrap();
                            let error = [b"E", &length.to_be_bytes()[..], POOLERS_WORDS].concat();
                            client.write_all(&error).await.unwrap();
                        }
                        return;
                    }
                    if client.write_all(&down[..n]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
