//! The processes: three of each role, started again when they die.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certmill_tasks::Process;
use rustix::process::Signal;

use super::house::House;
use crate::exit::Exit;
use crate::failure::Failure;

/// So long after its death a process is started again, as a supervisor would.
const STARTED_AGAIN_AFTER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Roles, and how many processes there are of each.
const ROLES: [&str; 3] = ["api", "worker", "scheduler"];
const OF_EACH: usize = 3;

/// Leases and slots shortened, their ratios kept, so that nobody has to wait for what is to be seen.
const SETTINGS: [(&str, &str); 11] = [
    ("process.lease_ms", "5000"),
    ("process.beat_ms", "1200"),
    ("process.rescue_ms", "1000"),
    ("leader.lease_ms", "3000"),
    ("schedule.renewal_slot_ms", "2000"),
    ("worker.concurrency", "8"),
    ("poll_ms", "500"),
    ("shutdown_grace_ms", "8000"),
    ("migrate_at_boot", "false"),
    ("database.max_connections", "8"),
    ("log.filter", "info"),
];

/// One place in the fleet.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) role: &'static str,
    /// Where the api of that place listens, once it was seen to.
    pub(super) listen: Option<String>,
    process: Option<Process>,
    died: Option<Instant>,
}

impl Member {
    /// Whether its process runs.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }
}

/// All of them.
pub(super) struct Fleet {
    program: PathBuf,
    env: Vec<(String, String)>,
    common: Vec<String>,
    folder: PathBuf,
    members: Vec<Member>,
}

impl Fleet {
    /// Nothing runs yet.
    pub(super) fn new(program: PathBuf, house: &House) -> Self {
        let url = house.path("database.url").display().to_string();
        let mut common = vec!["--log-format".to_owned(), "json".to_owned()];
        let own = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let keys = ["ca", "app"].map(|purpose| {
            let path = house.path(&format!("keys/{purpose}.kek"));
            (format!("{purpose}_kek_file"), path.display().to_string())
        });
        for (key, value) in own.iter().chain(&keys) {
            common.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let places = ROLES
            .iter()
            .flat_map(|role| (1..=OF_EACH).map(move |nth| (*role, format!("{role}-{nth}"))));
        let members = places.map(|(role, name)| Member {
            name,
            role,
            listen: None,
            process: None,
            died: None,
        });
        Self {
            program,
            env: vec![("CERTMILL_DATABASE_URL_FILE".to_owned(), url)],
            common,
            folder: house.folder().to_owned(),
            members: members.collect(),
        }
    }

    /// Makes the schema and the key files, by the program's own role for it.
    pub(super) async fn migrate(&self, house: &House) -> Result<(), Failure> {
        let mut env = self.env.clone();
        let owner = house.path("migrate.url").display().to_string();
        env.push(("CERTMILL_MIGRATE_URL_FILE".to_owned(), owner));
        let args = ["migrate", "--init", "--data-dir"].map(str::to_owned);
        let folder = house.path("keys").display().to_string();
        let args = [args.as_slice(), &[folder], self.common.as_slice()].concat();
        let log = self.folder.join("migrate.log");
        let mut process = self.start(&args, &env, "migrate")?;
        loop {
            match process.ended().map_err(|why| refuse("migrate", &why))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let why = format!("it ended with {status}");
                    let hint = format!("its log says why: {}", log.display());
                    return Err(Failure::new(Exit::Failed, "demo", "migrate", &why, &hint));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    fn start(
        &self,
        args: &[String],
        env: &[(String, String)],
        name: &str,
    ) -> Result<Process, Failure> {
        let path = self.folder.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(path);
        let started = log.and_then(|log| Process::start(&self.program, args, env, log));
        started.map_err(|why| refuse(name, &why))
    }

    /// Starts whoever does not run and may.
    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        for nth in 0..self.members.len() {
            self.bury(nth)?;
            let member = &self.members[nth];
            let waits = member
                .died
                .is_some_and(|at| at.elapsed() < STARTED_AGAIN_AFTER);
            if member.is_up() || waits {
                continue;
            }
            let own = self.folder.join(&member.name).display().to_string();
            let mut args = vec![member.role.to_owned(), "--name".into(), member.name.clone()];
            args.extend(["--data-dir".to_owned(), own]);
            if member.role == "api" {
                let listen = member.listen.clone();
                let listen = listen.unwrap_or_else(|| "127.0.0.1:0".to_owned());
                args.extend(["--listen".to_owned(), listen]);
            }
            args.extend(self.common.iter().cloned());
            let process = self.start(&args, &self.env, &member.name)?;
            let member = &mut self.members[nth];
            (member.process, member.died) = (Some(process), None);
        }
        Ok(())
    }

    fn bury(&mut self, nth: usize) -> Result<(), Failure> {
        let member = &mut self.members[nth];
        let Some(process) = &mut member.process else {
            return Ok(());
        };
        let ended = process.ended().map_err(|why| refuse(&member.name, &why))?;
        if ended.is_some() {
            (member.process, member.died) = (None, Some(Instant::now()));
        }
        Ok(())
    }

    /// The addresses of all apis, once each has told its own.
    pub(super) fn addresses(&mut self) -> Option<Vec<(String, String)>> {
        for member in self.members.iter_mut().filter(|one| one.role == "api") {
            if member.listen.is_none() {
                member.listen = told(&self.folder.join(&member.name));
            }
        }
        let apis = self.members.iter().filter(|member| member.role == "api");
        let address = |member: &Member| Some((member.name.clone(), member.listen.clone()?));
        apis.map(address).collect()
    }

    /// All places.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Kills the process of that name on the spot; its id.
    pub(super) fn kill(&mut self, name: &str) -> Option<u32> {
        let mut members = self.members.iter_mut();
        let member = members.find(|member| member.name == name)?;
        let mut process = member.process.take()?;
        let id = process.id();
        process.kill().ok();
        member.died = Some(Instant::now());
        Some(id)
    }

    /// Asks all to end, and waits for them so long at most.
    pub(super) async fn end(mut self, within: Duration) {
        let until = Instant::now() + within;
        for member in &self.members {
            if let Some(process) = &member.process {
                process.signal(Signal::TERM).ok();
            }
        }
        while Instant::now() < until && self.members.iter().any(Member::is_up) {
            for nth in 0..self.members.len() {
                self.bury(nth).ok();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The address that an api left in its folder.
fn told(folder: &Path) -> Option<String> {
    let url = std::fs::read_to_string(folder.join("url")).ok()?;
    let address = url.trim().strip_prefix("https://")?;
    Some(address.to_owned())
}

fn refuse(name: &str, why: &std::io::Error) -> Failure {
    let hint = "setpriv (of util-linux) starts it: is it installed, and is the disk full?";
    Failure::new(Exit::Failed, "demo", name, &why.to_string(), hint)
}
