//! Live updates: the main part of a page, again whenever it has changed.

use std::{convert::Infallible, future::Future};

use axum::{
    extract::{Path, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream::{self, Stream};

use super::{
    Id,
    templates::{self, Index, Look},
};
use crate::{
    domain::ids::StrategyId,
    server::{Readiness, problem::Problem, site::Site},
};

/// The name of an update.
const UPDATE: &str = "update";

pub(super) async fn index(State(site): State<Site>) -> Response {
    let part = |site: Site| async move { templates::part(&Index::of(&site)) };
    Sse::new(updates(site, part)).keep_alive(KeepAlive::default()).into_response()
}

pub(super) async fn strategy(State(site): State<Site>, Path(id): Id) -> Response {
    let id = match site.board(id) {
        Ok(board) => board.id,
        Err(problem) => return super::problem(problem),
    };
    let part = move |site: Site| strategy_part(site, id.clone());
    Sse::new(updates(site, part)).keep_alive(KeepAlive::default()).into_response()
}

async fn strategy_part(site: Site, id: StrategyId) -> Result<String, Problem> {
    let board = site.commands.board(&id)?;
    templates::part(&Look::of(&site, &board).await?)
}

/// Sends what `part` returns: now, and whenever it is another after a board has changed. Ends when
/// the service stops.
fn updates<F, R>(site: Site, part: F) -> impl Stream<Item = Result<Event, Infallible>>
where
    F: Fn(Site) -> R,
    R: Future<Output = Result<String, Problem>>,
{
    let mut boards = site.commands.boards.subscribe();
    // What was published before counts as a change, so that the first update comes at once.
    boards.mark_changed();
    let state = (site, boards, part, None::<String>);
    stream::unfold(state, |(mut site, mut boards, part, mut sent)| async move {
        loop {
            tokio::select! {
                changed = boards.changed() => changed.ok()?,
                _ = site.readiness.wait_for(|readiness| *readiness == Readiness::Stopping) => return None,
            }
            // A part that cannot be made now is made at the next change.
            let Ok(html) = part(site.clone()).await else { continue };
            if sent.as_ref() == Some(&html) {
                continue;
            }
            // A carriage return would end the line of the stream.
            let event = Event::default().event(UPDATE).data(html.replace('\r', " "));
            sent = Some(html);
            return Some((Ok(event), (site, boards, part, sent)));
        }
    })
}
