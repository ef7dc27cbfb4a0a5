//! `certmill demo`: replicas as processes, a CA with limits and faults, and what becomes of kills.
//!
//! Invariant: nothing that it starts outlives it, and what it proves it reads from the ledger of the CA.

mod control;
mod door;
mod fleet;
mod house;
mod promises;
mod screen;
mod seed;
mod sight;
mod site;
mod story;
mod tale;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmill_settings::{Env, default_data_dir};
use certmill_tasks::{Shutdown, Tasks};
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::args::{DemoArgs, DemoVerb, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::roles::refusal;
use screen::{Screen, View};
use sight::Sight;
use site::Site;
use tale::{Tale, Told};

const LOOK_EVERY: Duration = Duration::from_millis(700);
/// For tasks that answer the socket.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the demonstration, or steers the one that runs.
pub async fn run(args: DemoArgs, global: &Global, env: &Env) -> Result<Exit, Failure> {
    let folder = match &global.data_dir {
        Some(folder) => folder.clone(),
        None => default_data_dir(env),
    };
    let folder = folder.join("demo");
    match args.verb {
        Some(verb) => control::ask(&folder, verb).await.map(|()| Exit::Ok),
        None => show(args, folder, env).await,
    }
}

async fn show(args: DemoArgs, folder: PathBuf, env: &Env) -> Result<Exit, Failure> {
    let tasks = Tasks::new(Shutdown::new());
    tasks
        .shutdown_on_signals()
        .map_err(|why| refusal::system("signals", &why))?;
    let shutdown = tasks.shutdown_token();
    let say = |step: &str| crate::output::line(step).unwrap_or_default();
    let started = Site::start(folder, env, args.certificates, &say);
    let Some(started) = shutdown.cut_short(started).await else {
        return Ok(Exit::Ok);
    };
    let mut play = Play::begin(started?, &tasks)?;
    let ended = play.run(args.lasts, &shutdown).await;
    let good = play.good;
    tasks.shutdown(GRACE).await;
    crate::output::line("ending all processes")?;
    play.site.end().await;
    ended?;
    Ok(if good { Exit::Ok } else { Exit::Failed })
}

/// The running demonstration.
struct Play {
    site: Site,
    screen: Screen,
    seen: Result<Sight, String>,
    good: bool,
    questions: tokio::sync::mpsc::UnboundedReceiver<control::Asked>,
    lines: (
        UnboundedSender<String>,
        tokio::sync::mpsc::UnboundedReceiver<String>,
    ),
}

impl Play {
    fn begin(site: Site, tasks: &Tasks) -> Result<Self, Failure> {
        let questions = control::listen(site.folder(), tasks)?;
        Ok(Self {
            site,
            screen: Screen::new(),
            seen: Err("looking for the first time".to_owned()),
            good: true,
            questions,
            lines: unbounded_channel(),
        })
    }

    /// Until a signal comes, or the time is over.
    async fn run(&mut self, lasts: Option<Duration>, shutdown: &Shutdown) -> Result<(), Failure> {
        let until = lasts.map(|lasts| Instant::now() + lasts);
        let mut stories: FuturesUnordered<LocalBoxFuture<'static, bool>> = FuturesUnordered::new();
        while until.is_none_or(|until| Instant::now() < until || !stories.is_empty()) {
            self.site.fleet.fill()?;
            self.show()?;
            let (door, ca) = (self.site.door.clone(), Arc::clone(&self.site.ca));
            let mut look = pin!(async move {
                let seen = Sight::look(&door, &ca).await;
                tokio::time::sleep(LOOK_EVERY).await;
                seen
            });
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                seen = &mut look => self.saw(seen.map_err(|why| format!("nobody answers: {why}")))?,
                Some(text) = self.lines.1.recv() => self.screen.tell(&text)?,
                Some(good) = stories.next(), if !stories.is_empty() => self.good &= good,
                Some((verb, asker)) = self.questions.recv() => {
                    stories.extend(self.tell(verb, asker).await);
                }
            }
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), Failure> {
        let folder = self.site.folder().display().to_string();
        let url = self.site.door.url();
        self.screen.show(&View {
            url: &url,
            folder: &folder,
            members: self.site.fleet.members(),
            sight: self.seen.as_ref().map_err(String::as_str),
        })
    }

    fn saw(&mut self, seen: Result<Sight, String>) -> Result<(), Failure> {
        if let Ok(sight) = &seen
            && !sight.promises.hold()
            && self.good
        {
            self.good = false;
            let text = format!("A PROMISE IS BROKEN: {}", sight.promises);
            self.screen.tell(&text)?;
        }
        self.seen = seen;
        Ok(())
    }

    /// Begins a story; what is left of it goes on beside everything else.
    async fn tell(
        &mut self,
        verb: DemoVerb,
        asker: UnboundedSender<Told>,
    ) -> Option<LocalBoxFuture<'static, bool>> {
        let tale = Tale::new(self.lines.0.clone(), asker);
        let story = match story::begin(verb, &mut self.site, &tale).await {
            Ok(story) => story,
            Err(story::Broken(why)) => {
                tale.tell(format!("nothing was done: {why}"));
                tale.end(false);
                return None;
            }
        };
        let (door, ca) = (self.site.door.clone(), Arc::clone(&self.site.ca));
        Some(Box::pin(async move {
            let ended = story::follow(story, &door, &ca, &tale).await;
            if let Err(story::Broken(why)) = &ended {
                tale.tell(format!("it did not end as it must: {why}"));
            }
            tale.end(ended.is_ok());
            ended.is_ok()
        }))
    }
}
