//! Who is told what happens: the screen, and whoever asked for it.

use tokio::sync::mpsc::UnboundedSender;

/// A line of a story.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// What happened.
    Line(String),
    /// It is over; whether it ended as it must.
    End(bool),
}

/// Where the lines of one story go.
#[derive(Clone)]
pub(super) struct Tale {
    screen: UnboundedSender<String>,
    asker: UnboundedSender<Told>,
}

impl Tale {
    pub(super) fn new(screen: UnboundedSender<String>, asker: UnboundedSender<Told>) -> Self {
        Self { screen, asker }
    }

    /// Tells a line. Who asked may be gone by now; the story goes on.
    pub(super) fn tell(&self, line: String) {
        let _ = self.asker.send(Told::Line(line.clone()));
        let _ = self.screen.send(line);
    }

    /// Tells the end.
    pub(super) fn end(&self, good: bool) {
        let _ = self.asker.send(Told::End(good));
    }
}
