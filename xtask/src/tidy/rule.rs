//! The house rules as data: each has one reason and one remedy, printed with every fault.
//! Invariant: a rule without a failing example in `fixtures` fails the tests of this crate.

/// What can be wrong with the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Layer,
    Crate,
    Manifest,
    TestTarget,
    FileSize,
    FunctionSize,
    FunctionSpread,
    MainSize,
    Header,
    MissingDocs,
    Unfinished,
    Ticket,
    Date,
    LineNumber,
    History,
    CommentedCode,
    DeadCode,
    SilentAllow,
    TypeName,
    FileName,
    GetPrefix,
    Apalis,
    Sql,
    Spawn,
    Ticker,
    Clock,
    Environment,
    Process,
    Purity,
    LeaderLease,
    SessionLock,
    OrphanSql,
    Sequence,
    MachinePath,
    Registry,
    Email,
    NpmResolved,
    Link,
    Promise,
    Unreadable,
}

/// Every rule with why it exists and what to do about a fault, in the order of the enum.
#[rustfmt::skip]
pub const RULES: [(Rule, &str, &str); 40] = [
    (Rule::Layer, "arrows only point down", "move the code to the layer that may see both, or pass a value instead"),
    (Rule::Crate, "a crate's name says what it holds and where it lies", "name it certmill-<folder> and give it a row in xtask/src/tidy/layers.rs and ARCHITECTURE.md"),
    (Rule::Manifest, "one version of each dependency and one set of lints", "write `x.workspace = true` and `[lints] workspace = true`"),
    (Rule::TestTarget, "a test that belongs to no suite would never run", "make it a module of tests/it/main.rs (only cli has further test binaries)"),
    (Rule::FileSize, "a file holds one noun", "split it along its nouns"),
    (Rule::FunctionSize, "a function is read in one look", "name its steps and make them functions"),
    (Rule::FunctionSpread, "19 of 20 functions fit on a screen", "split the longest ones"),
    (Rule::MainSize, "main wires and leaves", "move the work into a function of a library"),
    (Rule::Header, "a reader learns first what a file is for", "start it with `//!`: purpose and the invariant it keeps"),
    (Rule::MissingDocs, "others build on this crate by its words", "add `#![deny(missing_docs)]` to its lib.rs"),
    (Rule::Unfinished, "unfinished work lives in the tracker", "finish it, or leave it out"),
    (Rule::Ticket, "a comment explains code, not the work on it", "say why the code is so, without the number"),
    (Rule::Date, "a date in a comment is history, and git keeps that", "say what holds, not since when"),
    (Rule::LineNumber, "line numbers are wrong after the next edit", "name the function or the item"),
    (Rule::History, "a comment says what is, git says what was", "describe the present"),
    (Rule::CommentedCode, "git remembers removed code", "delete it"),
    (Rule::DeadCode, "dead code misleads", "delete what is not used"),
    (Rule::SilentAllow, "an exception without a reason spreads", "write `reason = \"..\"` in the attribute"),
    (Rule::TypeName, "the word fits anything, so it says nothing", "name the type after what it is"),
    (Rule::FileName, "a drawer for anything gets everything", "name the file after its noun"),
    (Rule::GetPrefix, "the prefix says nothing", "drop `get_`, or use the verb that tells the cost (fetch, load, find)"),
    (Rule::Apalis, "the runtime stays replaceable", "name apalis only in shared/queue/src/apalis.rs and worker/src/runtime.rs"),
    (Rule::Sql, "SQL lives only in store, queue, coordination and pg", "add a function to one of these crates and call it"),
    (Rule::Spawn, "an unsupervised task dies unseen", "use the task group of shared/tasks"),
    (Rule::Ticker, "bare tickers make replicas move together", "use JitteredTicker of shared/tasks"),
    (Rule::Clock, "the database clock decides", "take `now` as an argument, or ask the database"),
    (Rule::Environment, "settings have one reader, which knows every origin", "read it in shared/settings and pass the value"),
    (Rule::Process, "starting processes is a file's whole purpose or none of it", "use the runner of connectors/spi, or shared/pg for Postgres"),
    (Rule::Purity, "domain does no I/O, reads no clock, draws no random number", "take the value as an argument"),
    (Rule::LeaderLease, "workers never lead", "leave leadership to the scheduler"),
    (Rule::SessionLock, "session locks break behind a transaction-mode pooler", "use a row lock, or a pg_advisory_xact_* function"),
    (Rule::OrphanSql, "SQL that nobody includes is dead and untested", "include it, or delete it"),
    (Rule::Sequence, "numbered files are applied and read in order", "number them NNNN_what or NNNN-what without gaps, forward only"),
    (Rule::MachinePath, "a path of one machine is wrong on every other", "use a relative path or a setting"),
    (Rule::Registry, "where packages come from is the business of the machine that builds", "remove the address"),
    (Rule::Email, "no addresses of people in the tree", "use example.com, or leave it out"),
    (Rule::NpmResolved, "the lock would pin one machine's registry", "install with omit-lockfile-registry-resolved=true"),
    (Rule::Link, "a page that points nowhere wastes its reader", "correct the path, relative to the page"),
    (Rule::Promise, "we promise at-least-once execution and one accepted completion", "say which of the two is meant"),
    (Rule::Unreadable, "what cannot be parsed cannot be checked", "make it valid"),
];

/// One thing that is wrong, at one place.
#[derive(Debug)]
pub struct Fault {
    pub rule: Rule,
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    pub what: String,
    /// A warning is shown and does not fail the run.
    pub warning: bool,
}

impl Fault {
    pub fn new(rule: Rule, path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            rule,
            path: path.to_owned(),
            line,
            what: what.into(),
            warning: false,
        }
    }

    pub fn warning(rule: Rule, path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::new(rule, path, line, what)
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (_, why, remedy) = RULES[self.rule as usize];
        let mark = if self.warning { "warning: " } else { "" };
        write!(
            f,
            "{mark}{}:{}: {}; {why}; {remedy}",
            self.path, self.line, self.what
        )
    }
}
