//! Commenting, reacting, reviewing and labelling.

use super::{
    discussion::{Comment, REACTIONS, Reaction, Review, ReviewState},
    hub::Desk,
    refusal::Refusal,
    state::{Label, Permission},
};

/// The longest comment that GitHub takes.
const BODY_CHARS: usize = 65_536;

impl Desk<'_> {
    /// Returns a comment.
    pub(super) fn comment(&self, key: &str, id: u64) -> Result<&Comment, Refusal> {
        self.repository(key)?.comments.iter().find(|comment| comment.id == id).ok_or_else(Refusal::not_found)
    }

    fn comment_mut(&mut self, key: &str, id: u64) -> Result<&mut Comment, Refusal> {
        let comments = &mut self.repository_mut(key)?.comments;
        comments.iter_mut().find(|comment| comment.id == id).ok_or_else(Refusal::not_found)
    }

    /// Writes a comment on a pull request and returns its id.
    pub(super) fn add_comment(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        body: String,
    ) -> Result<u64, Refusal> {
        let account = self.require(key, actor, Permission::Read)?;
        self.pull(key, number)?;
        check_body(&body)?;
        let (id, now) = (self.state.new_id(), self.now());
        let author = account.login.clone();
        self.pull_mut(key, number)?;
        self.repository_mut(key)?.comments.push(Comment {
            id,
            number,
            author,
            body,
            created_at: now,
            updated_at: now,
            reactions: Vec::new(),
        });
        self.tell_comment(key, id, "created", &account.login, None)?;
        Ok(id)
    }

    /// Changes a comment's text.
    pub(super) fn edit_comment(
        &mut self,
        key: &str,
        actor: Option<&str>,
        id: u64,
        body: String,
    ) -> Result<(), Refusal> {
        let account = self.require(key, actor, Permission::Read)?;
        if self.comment(key, id)?.author != account.login {
            self.require(key, actor, Permission::Write)?;
        }
        check_body(&body)?;
        let now = self.now();
        let comment = self.comment_mut(key, id)?;
        comment.updated_at = now;
        let before = std::mem::replace(&mut comment.body, body);
        self.tell_comment(key, id, "edited", &account.login, Some(&before))
    }

    /// Adds a reaction; returns it and whether it is new.
    pub(super) fn react(
        &mut self,
        key: &str,
        actor: Option<&str>,
        comment: u64,
        content: &str,
    ) -> Result<(Reaction, bool), Refusal> {
        let account = self.require(key, actor, Permission::Read)?;
        if !REACTIONS.contains(&content) {
            return Err(Refusal::invalid("Reaction", "content"));
        }
        let (id, created_at) = (self.state.new_id(), self.now());
        let comment = self.comment_mut(key, comment)?;
        let same = |one: &&Reaction| one.user == account.login && one.content == content;
        if let Some(earlier) = comment.reactions.iter().find(same) {
            return Ok((earlier.clone(), false));
        }
        let reaction = Reaction { id, user: account.login, content: content.to_owned(), created_at };
        comment.reactions.push(reaction.clone());
        Ok((reaction, true))
    }

    /// Reviews the current head of a pull request and returns the review's id.
    pub(super) fn add_review(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        state: ReviewState,
        body: String,
    ) -> Result<u64, Refusal> {
        let account = self.require(key, actor, Permission::Read)?;
        let pull = self.pull(key, number)?;
        if pull.author == account.login && state != ReviewState::Commented {
            let what = if state == ReviewState::Approved { "approve" } else { "request changes on" };
            return Err(Refusal::new(422, format!("Can not {what} your own pull request")));
        }
        let commit_id = pull.head_sha.clone();
        let (id, submitted_at) = (self.state.new_id(), self.now());
        let author = account.login.clone();
        self.repository_mut(key)?.reviews.push(Review { id, number, author, state, body, commit_id, submitted_at });
        self.tell_review(key, id, "submitted", &account.login)?;
        Ok(id)
    }

    /// Takes a review's verdict back.
    pub(super) fn dismiss_review(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        id: u64,
    ) -> Result<(), Refusal> {
        let account = self.require(key, actor, Permission::Write)?;
        let reviews = &mut self.repository_mut(key)?.reviews;
        let found = reviews.iter_mut().find(|review| review.id == id && review.number == number);
        let review = found.ok_or_else(Refusal::not_found)?;
        if !matches!(review.state, ReviewState::Approved | ReviewState::ChangesRequested) {
            return Err(Refusal::new(422, "Can not dismiss a review that has no verdict"));
        }
        review.state = ReviewState::Dismissed;
        self.tell_review(key, id, "dismissed", &account.login)
    }

    /// Makes a label.
    pub(super) fn create_label(
        &mut self,
        key: &str,
        actor: Option<&str>,
        name: &str,
        color: Option<String>,
        description: Option<String>,
    ) -> Result<Label, Refusal> {
        self.require(key, actor, Permission::Write)?;
        if name.is_empty() {
            return Err(Refusal::missing("Label", "name"));
        }
        if self.repository(key)?.labels.iter().any(|label| label.name.eq_ignore_ascii_case(name)) {
            return Err(Refusal::already_exists("Label", "name"));
        }
        let color = color.unwrap_or_else(|| "ededed".to_owned());
        let label = Label { id: self.state.new_id(), name: name.to_owned(), color, description };
        self.repository_mut(key)?.labels.push(label.clone());
        Ok(label)
    }

    /// Replaces the labels of a pull request; labels that do not exist yet are made, as on GitHub.
    pub(super) fn set_labels(
        &mut self,
        key: &str,
        actor: Option<&str>,
        number: u64,
        names: Vec<String>,
    ) -> Result<(), Refusal> {
        self.require(key, actor, Permission::Triage)?;
        self.pull(key, number)?;
        let mut labels: Vec<String> = Vec::new();
        for name in names {
            if !self.repository(key)?.labels.iter().any(|label| label.name == name) {
                let label = Label {
                    id: self.state.new_id(),
                    name: name.clone(),
                    color: "ededed".to_owned(),
                    description: None,
                };
                self.repository_mut(key)?.labels.push(label);
            }
            if !labels.contains(&name) {
                labels.push(name);
            }
        }
        self.pull_mut(key, number)?.labels = labels;
        Ok(())
    }
}

fn check_body(body: &str) -> Result<(), Refusal> {
    if body.trim().is_empty() {
        return Err(Refusal::missing("IssueComment", "body"));
    }
    if body.chars().count() > BODY_CHARS {
        return Err(Refusal::custom("IssueComment", "body is too long (maximum is 65536 characters)"));
    }
    Ok(())
}
