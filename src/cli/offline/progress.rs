//! How far a command is, on standard error: a bar on a terminal, lines everywhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{cli::output, reconcile::hydrate::Step};

/// How the bar looks.
const BAR: &str = "{msg} [{bar:32}] {pos}/{len} roots";

/// A bar that is there while roots are rendered.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Default for Progress {
    /// Makes a bar; nothing is drawn where standard error is no terminal.
    fn default() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template(BAR).expect("because it is a template").progress_chars("=> "));
        Self(bar)
    }
}

impl Progress {
    /// Says what is rendered next.
    pub fn begin(&self, what: impl std::fmt::Display) {
        self.0.reset();
        self.0.set_length(0);
        self.0.set_message(what.to_string());
    }

    /// Takes one step.
    pub fn step(&self, step: Step) {
        match step {
            Step::Found { roots, known } => {
                self.0.set_length(roots as u64);
                self.0.set_position(known as u64);
            }
            Step::RootDone => self.0.inc(1),
        }
    }

    /// Writes a line that stays.
    pub fn line(&self, text: impl std::fmt::Display) {
        self.0.suspend(|| output::progress(text));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
