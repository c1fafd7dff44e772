//! What people see, as text: the service's boards, and what is new on the forge beside them.
//!
//! Dry SHAs are shown by their subjects, other commits and times as what they are.

use std::fmt::Write;

use hydromote::{
    domain::plan::PlaceView,
    local_forge::{PullState, Repository, Status, StatusState},
    reconcile::board::StrategyBoard,
};

use super::{BOT, Fallible, REPOSITORY, World};

impl World {
    /// Returns what people see now; what it shows counts as looked at.
    pub(crate) async fn board(&mut self) -> Fallible<String> {
        let text = self.render_board().await?;
        self.seen = Some(text.clone());
        Ok(text)
    }

    pub(super) async fn render_board(&self) -> Fallible<String> {
        let boards = self.service()?.boards.all();
        let mut text = String::new();
        for board in boards.values() {
            if boards.len() > 1 {
                writeln!(text, "[{}]", board.id.name)?;
            }
            self.show_strategy(board, &mut text)?;
        }
        let shown: Vec<u64> = boards
            .values()
            .flat_map(|board| &board.places)
            .filter_map(|view| view.pull_request.map(|number| number.0))
            .collect();
        let mut repositories = vec![self.home().repository(self.home_name()).await?];
        show_forge(&repositories[0], &shown, &mut text)?;
        if self.home_name() != REPOSITORY {
            repositories.push(self.forge.repository(REPOSITORY).await?);
            show_forge(&repositories[1], &[], &mut text)?;
        }
        // In the order of their words: which was first cannot be told of two forges.
        let mut bad: Vec<&Status> = repositories.iter().flat_map(bad_statuses).collect();
        bad.sort_by_key(|status| (&status.context, &status.description));
        for Status { context, sha, description, .. } in bad {
            writeln!(text, "{context} on {sha}: {}", description.as_deref().unwrap_or_default())?;
        }
        Ok(self.in_words(&text).trim_end().to_owned())
    }

    fn show_strategy(&self, board: &StrategyBoard, text: &mut String) -> Result<(), std::fmt::Error> {
        for view in &board.places {
            show_place(view, text)?;
        }
        for line in board.mistake.iter().flat_map(|mistake| mistake.lines()) {
            writeln!(text, "mistake: {line}")?;
        }
        if let Some(trouble) = &board.trouble {
            writeln!(text, "trouble: {trouble}")?;
        }
        for next in &board.next {
            writeln!(text, "next: {next}")?;
        }
        Ok(())
    }

    /// Writes subjects for dry SHAs, and words for what differs from run to run.
    pub(crate) fn in_words(&self, text: &str) -> String {
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let text = self.front.as_ref().map_or_else(|| text.to_owned(), |front| front.as_in_story(text));
        let mut words = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let length = rest.find(|c: char| !is_hex(c)).unwrap_or(rest.len());
            let apart = words.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let taken = if rest.get(4..5) == Some("-") && rest.get(19..20) == Some("Z") && apart {
                words.push_str("(time)");
                20
            } else if length >= 7 && apart {
                let found = self.dry.iter().find(|(sha, _)| sha.starts_with(&rest[..length]));
                words.push_str(found.map_or("(commit)", |(_, subject)| subject));
                length
            } else {
                words.push(first);
                first.len_utf8()
            };
            rest = &rest[taken..];
        }
        words
    }
}

fn show_place(view: &PlaceView, text: &mut String) -> Result<(), std::fmt::Error> {
    write!(text, "{:<8}", view.place.to_string())?;
    match &view.running {
        Some(running) => write!(text, " {}, {}", running.dry, running.verdict)?,
        None => write!(text, " nothing")?,
    }
    for taken in view.taken.iter().filter(|_| view.taken_as_no_op) {
        write!(text, "; {taken} changes nothing")?;
    }
    if let Some(wanted) = &view.wanted {
        let number = view.pull_request.map(|number| format!(" in {number}")).unwrap_or_default();
        write!(text, "; wants {wanted}{number}")?;
    }
    for number in view.pull_request.iter().filter(|_| view.wanted.is_none()) {
        write!(text, "; {number} is open")?;
    }
    writeln!(text)?;
    for gate in &view.gates {
        writeln!(text, "         - {gate}")?;
    }
    if let Some(hold) = &view.hold {
        writeln!(text, "         = {hold} ({:?})", hold.rule)?;
    }
    for notice in &view.notices {
        writeln!(text, "         ! {notice}")?;
    }
    Ok(())
}

/// Shows what is not routine: pull requests that no place shows, and comments.
fn show_forge(repository: &Repository, shown: &[u64], text: &mut String) -> Result<(), std::fmt::Error> {
    for pull in repository.pulls.values() {
        match pull.state {
            PullState::Open if !shown.contains(&pull.number) => {
                writeln!(text, "#{} is open: {}", pull.number, pull.title)?;
            }
            PullState::Closed => writeln!(text, "#{} was closed: {}", pull.number, pull.title)?,
            _ => {}
        }
    }
    for comment in &repository.comments {
        writeln!(text, "#{} {}: {}", comment.number, comment.author, comment.body)?;
    }
    Ok(())
}

/// Returns what we reported that is bad, and stands.
fn bad_statuses(repository: &Repository) -> Vec<&Status> {
    let bad = |state| matches!(state, StatusState::Failure | StatusState::Error);
    let standing = repository.statuses.iter().enumerate().filter(|(index, status)| {
        let later = &repository.statuses[index + 1..];
        let is_newest = !later.iter().any(|other| other.sha == status.sha && other.context == status.context);
        status.creator == BOT && bad(status.state) && is_newest
    });
    standing.map(|(_, status)| status).collect()
}
