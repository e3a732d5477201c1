//! Progress as a person enjoys it: one line per service that tells what is going on and how
//! long it took. On a terminal the lines live; elsewhere each change is a line of its own.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::text;

/// How often a living line turns its spinner.
const TICK: Duration = Duration::from_millis(100);
/// How much of a detail fits beside a name on a narrow terminal.
const DETAIL_CHARS_MAX: usize = 60;

/// All lines of one command.
pub struct Progress {
    living: Option<MultiProgress>,
    width: usize,
}

impl Progress {
    /// Lines for things with these names, so that the columns align.
    pub fn for_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let width = names.into_iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let living = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { living, width }
    }

    /// A line for one thing.
    pub fn line(&self, name: &str) -> Line {
        let bar = self.living.as_ref().map(|all| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style("  {spinner:.cyan} {prefix}  {msg}"));
            bar.set_prefix(format!("{name:width$}", width = self.width));
            bar.enable_steady_tick(TICK);
            bar
        });
        let stage = Stage { name: "waiting".into(), since: Instant::now() };
        let name = format!("{name:width$}", width = self.width);
        Line { name, bar, stage: Arc::new(Mutex::new(stage)) }
    }
}

/// The line of one service. Clones share it.
#[derive(Clone)]
pub struct Line {
    name: String,
    bar: Option<ProgressBar>,
    stage: Arc<Mutex<Stage>>,
}

struct Stage {
    name: String,
    since: Instant,
}

impl Line {
    /// A new stage begins, such as `building`. The same stage again changes nothing.
    pub fn stage(&self, name: &str) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.name == name {
            return;
        }
        *stage = Stage { name: name.to_owned(), since: Instant::now() };
        match &self.bar {
            Some(bar) => bar.set_message(name.to_owned()),
            None => self.print(" ", name),
        }
    }

    /// What is going on within the stage; only a living line shows it.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let shown: String = text.trim().chars().take(DETAIL_CHARS_MAX).collect();
            bar.set_message(format!(
                "{}  {}  {shown}",
                stage.name,
                text::seconds(stage.since.elapsed())
            ));
        }
    }

    /// A stage is over and this is what came of it; the line goes on.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.print(" ", text),
        }
    }

    /// The stage's length so far.
    pub fn elapsed(&self) -> Duration {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).since.elapsed()
    }

    /// All is well; the line stays as it is.
    pub fn done(&self, text: &str) {
        self.end("✔", "green", text);
    }

    /// It failed; the line stays as it is.
    pub fn failed(&self, text: &str) {
        self.end("✘", "red", text);
    }

    fn end(&self, mark: &str, colour: &str, text: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_style(style(&format!("  {{prefix:.{colour}}}  {{msg}}")));
                bar.set_prefix(format!("{mark} {}", self.name));
                bar.finish_with_message(text.to_owned());
            }
            None => self.print(mark, text),
        }
    }

    fn print(&self, mark: &str, text: &str) {
        eprintln!("  {mark} {}  {text}", self.name);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are ours and well formed")
}
