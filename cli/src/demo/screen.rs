//! One screen that lives in the terminal, or lines where there is none.
//!
//! Invariant: what is drawn was seen; while nobody answers, the screen says so.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use certmill_wire::ProcessView;
use console::{Term, truncate_str};

use super::fleet::Member;
use super::sight::{LATELY, Sight};
use crate::failure::Failure;
use crate::output::{line, plain};

/// Without a terminal a summary is printed so often.
const SUMMARY_EVERY: Duration = Duration::from_secs(10);
/// Lines of stories that are kept on the screen.
const TOLD_MOST: usize = 14;

/// The screen.
pub(super) struct Screen {
    term: Option<Term>,
    began: Instant,
    drawn: usize,
    told: VecDeque<String>,
    summed_up: Option<Instant>,
}

impl Screen {
    /// On a terminal where there is one.
    pub(super) fn new() -> Self {
        let term = Term::stdout();
        Self {
            term: term.is_term().then_some(term),
            began: Instant::now(),
            drawn: 0,
            told: VecDeque::new(),
            summed_up: None,
        }
    }

    /// A line of a story.
    pub(super) fn tell(&mut self, text: &str) -> Result<(), Failure> {
        let text = format!("{}  {}", clock(self.began.elapsed()), plain(text));
        if self.term.is_none() {
            return line(&text);
        }
        self.told.push_back(text);
        if self.told.len() > TOLD_MOST {
            self.told.pop_front();
        }
        Ok(())
    }

    /// Shows how it stands.
    pub(super) fn show(&mut self, view: &View<'_>) -> Result<(), Failure> {
        let Some(term) = &self.term else {
            return self.sum_up(view);
        };
        let width = usize::from(term.size().1).max(40) - 1;
        let mut lines = vec![format!(
            "certmill demo  {}  {}  Ctrl-C ends it",
            view.url,
            clock(self.began.elapsed())
        )];
        lines.extend(view.lines());
        lines.push(String::new());
        lines.extend(self.told.iter().cloned());
        term.clear_last_lines(self.drawn)?;
        for text in &lines {
            term.write_line(&truncate_str(text, width, ".."))?;
        }
        term.flush()?;
        self.drawn = lines.len();
        Ok(())
    }

    fn sum_up(&mut self, view: &View<'_>) -> Result<(), Failure> {
        if self
            .summed_up
            .is_some_and(|at| at.elapsed() < SUMMARY_EVERY)
        {
            return Ok(());
        }
        self.summed_up = Some(Instant::now());
        let state = match view.sight {
            Ok(sight) => format!("{}; {}", certificates(sight), authority(sight)),
            Err(why) => why.to_owned(),
        };
        line(&format!("{}  {state}", clock(self.began.elapsed())))
    }
}

/// What is shown.
pub(super) struct View<'a> {
    /// Where a browser or a client can look.
    pub(super) url: &'a str,
    /// The folder that leads clients there.
    pub(super) folder: &'a str,
    /// Who runs.
    pub(super) members: &'a [Member],
    /// What was seen last, or why nothing is seen.
    pub(super) sight: Result<&'a Sight, &'a str>,
}

impl View<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("certmill status --data-dir {}", self.folder),
            String::new(),
        ];
        let of_a_role = self.members.chunk_by(|one, next| one.role == next.role);
        lines.extend(of_a_role.map(|members| {
            let cells = members
                .iter()
                .map(|one| format!("{:<34}", self.member(one)));
            cells.collect::<String>()
        }));
        lines.push(String::new());
        match self.sight {
            Ok(sight) => lines.extend([
                certificates(sight),
                authority(sight),
                leader(sight),
                format!("the CA's ledger says: {}", sight.promises),
            ]),
            Err(why) => lines.push(why.to_owned()),
        }
        lines.push(String::new());
        lines.push(
            "try: certmill demo kill leader|worker|api|database, certmill demo slow-ca".to_owned(),
        );
        lines
    }

    fn member(&self, member: &Member) -> String {
        if !member.is_up() {
            return format!("{} DEAD", member.name);
        }
        let seen = self.sight.ok().map(|sight| &sight.cluster);
        let leads = seen
            .and_then(|cluster| cluster.leader.as_ref())
            .is_some_and(|leader| leader.holder == member.name);
        if leads {
            return format!("{} leads", member.name);
        }
        let mut processes = seen.into_iter().flat_map(|cluster| &cluster.processes);
        let is_it = |one: &&ProcessView| one.name == member.name && one.state == "alive";
        match processes.find(is_it) {
            Some(ProcessView {
                capacity: Some(most),
                running,
                ..
            }) => format!("{} {running} of {most} jobs", member.name),
            Some(_) => format!("{} up", member.name),
            None => format!("{} starting", member.name),
        }
    }
}

fn certificates(sight: &Sight) -> String {
    let (issued, all) = (sight.issued(), sight.certificates.len());
    let tightest = sight.tightest().map_or_else(String::new, |(name, left)| {
        format!("; the tightest, {name}, has {left} s left")
    });
    format!("{issued} of {all} certificates issued{tightest}")
}

fn authority(sight: &Sight) -> String {
    let books = &sight.books;
    let mut budgets = sight.cluster.budgets.iter();
    let account = budgets.find(|one| one.used.is_some());
    let budget = account.map_or_else(String::new, |one| {
        let used = one.used.unwrap_or_default();
        let waiting = one.waiting.unwrap_or_default();
        format!(
            ", {used} of {} in {} s used, {waiting} wait",
            one.most, one.window_s
        )
    });
    format!(
        "CA: {} orders, {} certificates made, {} in the last {} s{budget}",
        books.orders,
        books.finalized,
        sight.lately,
        LATELY.as_secs()
    )
}

fn leader(sight: &Sight) -> String {
    match &sight.cluster.leader {
        None => "nobody leads".to_owned(),
        Some(leader) => format!("{} leads, epoch {}", leader.holder, leader.epoch),
    }
}

fn clock(since: Duration) -> String {
    let seconds = since.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
