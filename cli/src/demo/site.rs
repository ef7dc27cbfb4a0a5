//! All that the demonstration runs: database, CA, processes, and the door to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmill_pg::embedded::{Embedded, EmbeddedOptions};
use certmill_pg::{ConnectOptions, connect};
use certmill_rehearsal::Ca;
use certmill_service::authorities;
use certmill_settings::{Env, default_cache_dir, read_key_file};
use rustix::process::{Pid, Signal, kill_process};

use super::door::Door;
use super::fleet::Fleet;
use super::house::House;
use super::seed;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::roles::{files, refusal};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// For nine processes and who looks at them.
const CONNECTIONS: u32 = 150;

/// Everything.
pub(super) struct Site {
    pub(super) fleet: Fleet,
    pub(super) door: Door,
    pub(super) ca: Arc<Ca>,
    database: Embedded,
    house: House,
}

impl Site {
    /// Starts everything; `say` is told each step.
    pub(super) async fn start(
        folder: PathBuf,
        env: &Env,
        certificates: u32,
        say: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|why| refusal::system("path of this program", &why))?;
        let house = House::take(folder)?;
        say("starting Postgres");
        let mut options = EmbeddedOptions::new(house.path("pg"), default_cache_dir(env));
        options.max_connections = CONNECTIONS;
        let database = Embedded::start(options, say)
            .await
            .map_err(refusal::database)?;
        house.secret("database.url", &database.app_url())?;
        house.secret("migrate.url", &database.owner_url())?;
        let mut fleet = Fleet::new(program, &house);
        say("making the schema");
        fleet.migrate(&house).await?;
        say("starting a CA with limits and faults: a fake, which nobody trusts");
        let ca = seed::authority(&database.owner_url()).await?;
        say("starting 3 apis, 3 workers and 3 schedulers");
        let door = open(&mut fleet, &house, &database).await?;
        say(&format!("asking for {certificates} certificates"));
        seed::certificates(&door, certificates).await?;
        Ok(Self {
            fleet,
            door,
            ca: Arc::new(ca),
            database,
            house,
        })
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        self.house.folder()
    }

    /// Stops Postgres on the spot; the id of the process. Its supervisor starts it again.
    pub(super) fn kill_database(&self) -> Option<u32> {
        let id = self.database.pid()?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw)?;
        kill_process(pid, Signal::QUIT).ok()?;
        Some(id)
    }

    /// Ends everything and removes the folder.
    pub(super) async fn end(self) {
        self.fleet.end(ENDS_WITHIN).await;
        self.database.stop().await;
        self.house.leave();
    }
}

/// Waits until all apis serve; leaves in the folder what clients on this machine look for there.
async fn open(fleet: &mut Fleet, house: &House, database: &Embedded) -> Result<Door, Failure> {
    let until = Instant::now() + READY_WITHIN;
    let waited = async |what: &str| match Instant::now() < until {
        true => {
            tokio::time::sleep(LOOK_EVERY).await;
            Ok(())
        }
        false => {
            let why = format!("{what} within {} s", READY_WITHIN.as_secs());
            let hint = format!("their logs are in {}", house.folder().display());
            Err(Failure::new(Exit::Failed, "demo", "start", &why, &hint))
        }
    };
    let apis = loop {
        fleet.fill()?;
        match fleet.addresses() {
            Some(apis) => break apis,
            None => waited("not all apis listen").await?,
        }
    };
    let options = ConnectOptions::new("demo").max_connections(1);
    let pool = connect(&database.app_url(), options)
        .await
        .map_err(refusal::database)?;
    let anchors = authorities::anchors_pem(&pool).await;
    pool.close().await;
    let anchors = anchors.map_err(refusal::service)?;
    files::write_public(&house.path("ca.pem"), &anchors)?;
    let key = read_key_file("admin key", &house.path("keys/admin.key"))
        .map_err(|problem| refusal::system("admin key", &problem))?;
    house.secret("admin.key", &key)?;
    if let Some((_, address)) = apis.first() {
        files::write_public(&house.path("url"), &format!("https://{address}\n"))?;
    }
    let door = Door::open(&apis, &key, &anchors)?;
    for client in door.clients() {
        while client.ready().await.is_err() {
            fleet.fill()?;
            waited("not all apis are ready").await?;
        }
    }
    Ok(door)
}
