//! The history: one line per promotion and rollback, newest first.

use jiff::Timestamp;
use serde::Serialize;

use super::templates::Page;
use crate::{
    domain::{
        decision::OpenGate,
        ids::{ActiveSha, EnvironmentName, LaneName, Place},
    },
    reconcile::{board::StrategyBoard, commands::asked_to_promote},
    server::{
        api::{
            self,
            documents::{CommitView, PullRequestView},
            history::{EventView, HistoryView, PromotionView, RolledBackView},
        },
        problem::Problem,
        site::Site,
    },
};

/// How many promotions, rollbacks and events the page of the history shows.
const SHOWN: usize = 500;

/// One promotion or rollback.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    /// Where.
    environment: String,
    /// What runs there since.
    commit: CommitView,
    /// What a rollback left.
    from: Option<CommitView>,
    /// The commit that brought it.
    #[serde(skip)]
    pub(super) active_sha: ActiveSha,
    pub(super) who: Option<String>,
    /// The person who promoted it, where one had to.
    pub(super) promoted_by: Option<String>,
    why: Option<String>,
    pub(super) pull_request: Option<PullRequestView>,
    at: Timestamp,
}

/// The page of the history.
#[derive(Debug, Serialize)]
pub(super) struct Past {
    strategy: String,
    name: String,
    lines: Vec<Happened>,
    events: Vec<EventView>,
    limit: usize,
    cut: bool,
}

impl Past {
    pub(super) async fn of(site: &Site, board: &StrategyBoard) -> Result<Self, Problem> {
        let (mut lines, events) = read(site, board).await?;
        let cut = lines.len() > SHOWN;
        lines.truncate(SHOWN);
        let (strategy, name) = (board.id.to_string(), board.id.name.to_string());
        Ok(Self { strategy, name, lines, events, limit: SHOWN, cut })
    }
}

impl Page for Past {
    const TEMPLATE: &'static str = "history.html";

    fn title(&self) -> String {
        format!("History of {}", self.name)
    }
}

/// Reads what happened, newest first.
pub(super) async fn read(site: &Site, board: &StrategyBoard) -> Result<(Vec<Happened>, Vec<EventView>), Problem> {
    // One more of each than are shown says whether there are more.
    let history = api::history_of(site, board, None, SHOWN + 1).await?;
    let HistoryView { promotions, rollbacks, events, .. } = history;
    let mut lines: Vec<Happened> = rollbacks.into_iter().map(Happened::rolled_back).collect();
    let known: Vec<_> = lines.iter().map(|line| line.active_sha.clone()).collect();
    // What a rollback brought stands among the promotions too, as a run like all others.
    let others = promotions.into_iter().filter(|promotion| !known.contains(&promotion.active_sha));
    lines.extend(others.map(|promotion| Happened::promoted(promotion, &events)));
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    Ok((lines, events))
}

impl Happened {
    fn rolled_back(rollback: RolledBackView) -> Self {
        Self {
            environment: place(rollback.environment, rollback.lane).to_string(),
            commit: rollback.to,
            from: Some(rollback.from),
            active_sha: rollback.active_sha,
            who: Some(rollback.by),
            promoted_by: None,
            why: Some(rollback.reason).filter(|why| !why.is_empty()),
            pull_request: rollback.pull_request,
            at: rollback.at,
        }
    }

    fn promoted(promotion: PromotionView, events: &[EventView]) -> Self {
        let place = place(promotion.environment, promotion.lane);
        let person = promotion.gates.iter().find_map(|gate| match &gate.gate {
            OpenGate::Promote { by, .. } => Some(by.clone()),
            _ => None,
        });
        let asked = asked_to_promote(&promotion.commit.short, &place);
        let told = || events.iter().find(|event| event.at <= promotion.at && event.what == asked);
        Self {
            environment: place.to_string(),
            commit: promotion.commit,
            from: None,
            active_sha: promotion.active_sha,
            who: promotion.merged_by,
            promoted_by: person.or_else(|| told().map(|event| event.who.clone())),
            why: Some(promotion.why).filter(|_| promotion.by_hand),
            pull_request: promotion.pull_request,
            at: promotion.at,
        }
    }
}

fn place(environment: EnvironmentName, lane: LaneName) -> Place {
    Place { environment, lane }
}
