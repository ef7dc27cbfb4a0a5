//! Binds, serves and drains.
//!
//! Invariant: nothing but TLS 1.3 is spoken on the address; after the shutdown no connection is
//! taken, and those that are open end within the grace.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use certmill_coordination::Allowance;
use certmill_crypto::bootstrap_token::BootstrapToken;
use certmill_crypto::mac::MacRing;
use certmill_service::Context;
use certmill_service::certificates::Intake;
use certmill_settings::{ApiLimits, LimitsBackend, TlsFiles};
use certmill_store::clock;
use certmill_tasks::{JitterPercent, JitteredTicker, Tasks};
use hyper_util::rt::TokioTimer;
use time::OffsetDateTime;

use crate::admission::Admission;
use crate::app::{App, Shared};
use crate::contract;
use crate::own_certificate::{OwnCertificate, wanted_names};
use crate::principals::Principals;
use crate::readiness::Readiness;
use crate::routes;
use crate::supplied::Supplied;
use crate::tls::{Tls, TlsError};
use crate::uses::keep_written;

const HANDSHAKE: Duration = Duration::from_secs(5);
/// Also the longest pause on a kept HTTP/1.1 connection: hyper starts one clock for both.
const HEADERS: Duration = Duration::from_secs(10);
const READ_BUFFER: usize = 64 * 1024;
/// More than are taken, so that most of those who send too many get an answer with words: beyond
/// these and beyond the buffer, hyper itself says a bare 431.
const PARSED_HEADERS: usize = 1000;

/// How the API is served.
pub struct ServerOptions {
    /// The address; port 0 draws one.
    pub listen: SocketAddr,
    /// The service's handles.
    pub context: Context,
    /// The key of list cursors: `MacRing::new(app_keys, "cursor")`, equal on all replicas.
    pub cursor_key: MacRing,
    /// What opens the door of the first admin, if the operator set one.
    pub bootstrap_token: Option<BootstrapToken>,
    /// Where `api-tls/` lies.
    pub data_dir: PathBuf,
    /// The name of this host, as it goes into the own certificate.
    pub host_name: String,
    /// Further names in the own certificate.
    pub public_names: Vec<String>,
    /// A supplied certificate; `None` means an own one.
    pub tls: Option<TlsFiles>,
    /// How often supplied files are looked at.
    pub tls_poll: Duration,
    /// Bounds of requests.
    pub limits: ApiLimits,
    /// How long open requests may go on after the shutdown was asked for.
    pub grace: Duration,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}; {}", bind_advice(*listen, source))]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The operating system's words.
        source: io::Error,
    },
    /// The certificate cannot be shown; the words name file and fault.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The build is not fit to serve: a route lacks its permission or its description.
    #[error("this build of certmill is not fit to serve: {0}; it is a defect, please report it")]
    Routes(String),
}

fn bind_advice(listen: SocketAddr, why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::AddrInUse => format!(
            "stop what uses it (`ss -ltnp 'sport = :{}'` names it), or choose another address \
             with --listen",
            listen.port()
        ),
        io::ErrorKind::PermissionDenied => format!(
            "ports below 1024 need a right: give it CAP_NET_BIND_SERVICE (systemd: \
             AmbientCapabilities=), or choose another port than {} with --listen",
            listen.port()
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose another one with --listen".to_owned()
        }
        _ => "choose another address with --listen".to_owned(),
    }
}

impl From<TlsError> for ServeError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

/// A server that is listening.
pub struct Bound {
    /// Its address, with the port that was drawn.
    pub local_addr: SocketAddr,
    app: App,
}

impl Bound {
    /// Waits until `GET /ready` answers 200; `false` if the shutdown came first.
    pub async fn ready(&self, tasks: &Tasks) -> bool {
        let mut ticker = JitteredTicker::new(Duration::from_millis(50), JitterPercent::default())
            .starting_now()
            .until(&tasks.shutdown_token());
        while ticker.tick().await.is_some() {
            if self
                .app
                .readiness
                .checks()
                .await
                .iter()
                .all(|check| check.ok)
            {
                return true;
            }
        }
        false
    }
}

/// Binds the address and serves in `tasks` until their shutdown, then drains.
///
/// # Errors
/// [`ServeError`], before anything is served.
pub async fn serve(options: ServerOptions, tasks: &Tasks) -> Result<Bound, ServeError> {
    let contract = contract::of(routes::TABLE).map_err(ServeError::Routes)?;
    let (listener, local_addr) = bind(options.listen)?;
    let shutdown = tasks.shutdown_token();
    let allowance = || match options.limits.backend {
        LimitsBackend::Postgres => Allowance::shared(options.context.pool.clone()),
        LimitsBackend::Memory => Allowance::in_memory(),
    };
    let app = App::new(Shared {
        readiness: Readiness::new(options.context.pool.clone(), shutdown.clone()),
        admission: Admission::for_pool(&options.context.pool),
        allowance: allowance(),
        guesses: allowance(),
        intake: Intake::new(options.context.clone(), tasks.clone()),
        context: options.context,
        contract,
        cursor_key: options.cursor_key,
        bootstrap_token: options.bootstrap_token,
        limits: options.limits,
        principals: Principals::default(),
    });
    let tls = match options.tls {
        Some(files) => {
            let now = database_now(&app).await?;
            let supplied = Supplied::open(files, now)?;
            let tls = supplied.tls();
            app.readiness.certificate_is_in_place();
            tasks.spawn(
                "api-tls-files",
                supplied.watch(options.tls_poll, shutdown.clone()),
            );
            tls
        }
        None => {
            let names = wanted_names(local_addr, &options.host_name, &options.public_names);
            let own = OwnCertificate::open(&app, &options.data_dir, names)?;
            let tls = own.tls();
            tasks.spawn_essential("api-own-certificate", own.keep(shutdown.clone()));
            tls
        }
    };
    let handle = Handle::new();
    let server = server(listener, &tls, handle.clone()).map_err(|source| ServeError::Bind {
        listen: local_addr,
        source,
    })?;
    tasks.spawn("api-key-uses", keep_written(app.clone(), shutdown.clone()));
    let router = routes::router(&app).into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn_essential("api-server", async move {
        if let Err(error) = server.serve(router).await {
            tracing::error!(event = "api_server_failed", %error);
        }
    });
    let grace = options.grace * 9 / 10;
    tasks.spawn("api-drain", async move {
        shutdown.requested().await;
        handle.graceful_shutdown(Some(grace));
    });
    Ok(Bound { local_addr, app })
}

/// Ended or not is decided by the database's clock, as everything is.
async fn database_now(app: &App) -> Result<OffsetDateTime, TlsError> {
    let asked = async {
        let mut tx = app.context.begin().await.map_err(TlsError::new)?;
        clock::now(&mut tx).await.map_err(TlsError::new)
    };
    asked.await
}

pub(crate) fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bound = TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    });
    bound.map_err(|source| ServeError::Bind { listen, source })
}

type TlsServer = Server<SocketAddr, RustlsAcceptor<NoDelayAcceptor>>;

fn server(listener: TcpListener, tls: &Tls, handle: Handle<SocketAddr>) -> io::Result<TlsServer> {
    let acceptor = RustlsAcceptor::new(tls.config())
        .handshake_timeout(HANDSHAKE)
        .acceptor(NoDelayAcceptor::new());
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle)
        .acceptor(acceptor);
    let builder = server.http_builder();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(PARSED_HEADERS)
        .max_buf_size(READ_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(READ_BUFFER as u32)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15));
    Ok(server)
}
