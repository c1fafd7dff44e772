//! Has commands of signed-in people done: promote, hold, release, roll back, restore, adopt.
//!
//! A command is bound to what its page showed. When that is no longer so it is refused, the page
//! says what has changed, and shows how it is now, with what the person wrote still in it.

use std::time::Duration;

use axum::{
    Extension, Form,
    extract::{OriginalUri, Path, Query, State, rejection::FormRejection},
    response::Response,
};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{
    Asked, PlaceId, answer_with, ask_to_sign_in, board_and_name,
    confirm::{Act, Confirmation, Filled},
    difference::no_such_page,
    frame::Frame,
    go_to, problem, signing, templates,
};
use crate::{
    domain::ids::{ActiveSha, DrySha, EnvironmentName, LaneName, ProposedSha, StrategyId},
    reconcile::{
        board::StrategyBoard,
        mending::DriftOrder,
        stopping::{Destination, HoldOrder, RollbackOrder},
    },
    server::{
        access::{self, Visitor},
        problem::Problem,
        site::Site,
    },
};

/// How long a person waits for the page that shows what the command did; it comes then as it is.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// The longest hold that is asked for with an end, in minutes: four weeks.
const LONGEST_HOLD: i64 = 28 * 24 * 60;

/// What a form carries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    /// The session's own token.
    form_token: String,
    /// What the page showed.
    seen: String,
    /// What a rollback goes back to.
    to: String,
    reason: String,
    /// For how long a hold is; until it is released when empty.
    minutes: String,
    /// Whether content that is not known to be good may come back.
    force: Option<String>,
}

/// Where something is done, and by whom.
struct Where<'a> {
    site: &'a Site,
    strategy: &'a StrategyId,
    environment: &'a EnvironmentName,
    lane: Option<&'a LaneName>,
    by: &'a str,
}

pub(super) async fn confirm(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Path((owner, repo, name, environment, act)): Path<(String, String, String, String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let id = Path((owner, repo, name, environment));
    let (board, environment, act) = match subject(&site, id, &act, &asked) {
        Ok(subject) => subject,
        Err(wrong) => return problem(wrong),
    };
    if visitor.session.is_none() {
        return ask_to_sign_in(&uri, false);
    }
    match Confirmation::of(&site, &board, &environment, act, &asked).await {
        Ok(page) => show(&site, &visitor, &uri, StatusCode::OK, page),
        Err(wrong) => problem(wrong),
    }
}

pub(super) async fn act(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    OriginalUri(uri): OriginalUri,
    Path((owner, repo, name, environment, act)): Path<(String, String, String, String, String)>,
    Query(asked): Query<Asked>,
    given: Result<Form<Given>, FormRejection>,
) -> Response {
    let given = match authorised(&visitor, given) {
        Ok(given) => given,
        Err(wrong) => return problem(wrong),
    };
    let (board, environment, act) = match subject(&site, Path((owner, repo, name, environment)), &act, &asked) {
        Ok(subject) => subject,
        Err(wrong) => return problem(wrong),
    };
    let by = visitor.session.as_ref().map(|session| session.name.as_str()).unwrap_or_default();
    let at = Where { site: &site, strategy: &board.id, environment: &environment, lane: asked.lane.as_ref(), by };
    let mut boards = site.commands.boards.subscribe();
    match at.command(act, &given).await {
        Ok(words) => {
            site.sessions.say(&visitor.cookie, words);
            // Whether it is shown already or not, it is done.
            drop(tokio::time::timeout(SHOWN_WITHIN, boards.changed()).await);
            go_to(&format!("/strategies/{}", board.id.path()))
        }
        Err(refused) => {
            let to = Some(given.to.clone()).filter(|to| !to.is_empty());
            let asked = Asked { to, ..asked };
            let filled = Filled { reason: given.reason, minutes: given.minutes, force: given.force.is_some() };
            let again = match site.commands.board(&board.id) {
                Ok(board) => Confirmation::of(&site, &board, &environment, act, &asked).await,
                Err(error) => Err(error.into()),
            };
            match again {
                Ok(page) => show(&site, &visitor, &uri, refused.status, page.again(refused.document, filled)),
                Err(_) => problem(refused),
            }
        }
    }
}

/// Returns a form that a signed-in person has sent from a page of ours.
fn authorised(visitor: &Visitor, given: Result<Form<Given>, FormRejection>) -> Result<Given, Problem> {
    let Form(given) = given.map_err(|error| signing::malformed(&error))?;
    let Some(session) = &visitor.session else {
        let help = "Sign in, then open the page again: it may have changed.";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "You are not signed in any more.", help));
    };
    access::check_form(session, &given.form_token)?;
    Ok(given)
}

fn subject(
    site: &Site,
    Path(id): PlaceId,
    act: &str,
    asked: &Asked,
) -> Result<(StrategyBoard, EnvironmentName, Act), Problem> {
    let (board, environment) = board_and_name(site, id)?;
    let act = Act::parse(act).ok_or_else(|| no_such_page(&board, &environment, asked.lane.as_ref()))?;
    Ok((board, environment, act))
}

fn show(site: &Site, visitor: &Visitor, uri: &Uri, status: StatusCode, page: Confirmation) -> Response {
    let frame = Frame::of(site, visitor, uri);
    let page = page.for_session(&frame.form_token);
    answer_with(status, templates::page(&page, &frame))
}

impl Where<'_> {
    /// Has a command done; returns what to say.
    async fn command(&self, act: Act, given: &Given) -> Result<String, Problem> {
        match act {
            Act::Promote => self.promote(given).await,
            Act::Hold => self.hold(given).await,
            Act::Release => self.release(given).await,
            Act::Rollback => self.roll_back(given).await,
            Act::Restore => self.restore(given).await,
            Act::Adopt => self.adopt(given).await,
        }
    }

    async fn promote(&self, given: &Given) -> Result<String, Problem> {
        let seen = ProposedSha::new(given.seen.as_str()).map_err(|_| unseen())?;
        let commands = &self.site.commands;
        let promoted = commands.promote(self.strategy, self.environment, self.lane, Some(&seen), self.by).await?;
        let what = promoted.dry.as_ref().map_or(promoted.proposed.short(), DrySha::short);
        let then = if promoted.waits.is_empty() { "it is merged next" } else { "it is merged when its gates are open" };
        Ok(format!("{what} is promoted to {}: {then}.", promoted.way()))
    }

    async fn hold(&self, given: &Given) -> Result<String, Problem> {
        let running = Some(given.seen.as_str()).filter(|seen| !seen.is_empty());
        let running = running.map(DrySha::new).transpose().map_err(|_| unseen())?;
        if given.reason.trim().is_empty() {
            let help = "Whoever looks at it next wants to know why.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "A hold needs a reason.", help));
        }
        let until = until(&given.minutes, (self.site.commands.clock)())?;
        let order = HoldOrder { until, reason: given.reason.clone(), running };
        let held = self.site.commands.hold(self.strategy, self.environment, self.lane, &order, self.by).await?;
        Ok(match held.hold.expires_at {
            Some(until) => format!("{} is held until {}.", held.place, until.strftime("%Y-%m-%d %H:%M UTC")),
            None => format!("{} is held until somebody releases it.", held.place),
        })
    }

    async fn release(&self, given: &Given) -> Result<String, Problem> {
        let seen = Some(given.seen.as_str()).filter(|seen| !seen.is_empty());
        let seen = seen.map(str::parse).transpose().map_err(|_| unseen())?;
        let released = self.site.commands.unhold(self.strategy, self.environment, self.lane, seen, self.by).await?;
        Ok(format!("Taken back for {}: {}.", released.place, released.what))
    }

    async fn restore(&self, given: &Given) -> Result<String, Problem> {
        let order = drift_order(given)?;
        let restored = self.site.commands.restore(self.strategy, self.environment, self.lane, &order, self.by).await?;
        Ok(restored.to_string())
    }

    async fn adopt(&self, given: &Given) -> Result<String, Problem> {
        let order = drift_order(given)?;
        let adopted = self.site.commands.adopt(self.strategy, self.environment, self.lane, &order, self.by).await?;
        Ok(adopted.to_string())
    }

    async fn roll_back(&self, given: &Given) -> Result<String, Problem> {
        let order = RollbackOrder {
            destination: Destination::To(given.to.clone()),
            only: None,
            reason: given.reason.clone(),
            force: given.force.is_some(),
            running: Some(DrySha::new(given.seen.as_str()).map_err(|_| unseen())?),
        };
        let accepted = self.site.commands.rollback(self.strategy, self.environment, self.lane, &order, self.by).await?;
        let (from, to) = (accepted.rollback.bad.short(), accepted.rollback.target.dry.short());
        Ok(format!("{} goes back from {from} to {to}.", accepted.place))
    }
}

/// Returns what a form says of drift, which needs a reason here: its field is before everybody's eyes.
fn drift_order(given: &Given) -> Result<DriftOrder, Problem> {
    if given.reason.trim().is_empty() {
        let help = "Whoever looks at it next wants to know why.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "It needs a reason.", help));
    }
    let seen = Some(ActiveSha::new(given.seen.as_str()).map_err(|_| unseen())?);
    Ok(DriftOrder { seen, reason: given.reason.clone() })
}

/// Reads for how long a hold is.
fn until(minutes: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    if minutes.is_empty() {
        return Ok(None);
    }
    let minutes = minutes.parse().ok().filter(|minutes| (1..=LONGEST_HOLD).contains(minutes));
    let minutes = minutes.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "That is no time to hold for.", "Choose one that is offered.")
    })?;
    Ok(Some(now + SignedDuration::from_mins(minutes)))
}

/// Says that a form does not say what its person saw.
fn unseen() -> Problem {
    let help = "Open the page again and send it from there.";
    Problem::new(StatusCode::BAD_REQUEST, "The form does not say what it is about.", help)
}
