//! A client of Gitea, and how its lists are paged.

use serde::de::DeserializeOwned;

use crate::forge::{
    ForgeError,
    calls::{self, Call, Http, parse},
};

/// Entries asked for per page, the most that a server gives unless its `[api] MAX_RESPONSE_ITEMS` says more.
const PAGE_SIZE: usize = 50;

/// A client with one token.
pub(super) type Client = calls::Client<Http>;

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// How many entries there are on all pages, where the forge says it.
    pub(super) total: Option<usize>,
}

impl Client {
    /// Reads one page of a list; the first is 1.
    pub(super) async fn page<T: DeserializeOwned>(&self, call: &Call, number: usize) -> Result<Page<T>, ForgeError> {
        let separator = if call.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}limit={PAGE_SIZE}&page={number}", call.path);
        let answer = self.read(call, &path).await?;
        let total = answer.headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        // An empty list may be `null`.
        let entries: Option<Vec<T>> = parse(&answer.body, &call.what)?;
        Ok(Page { entries: entries.unwrap_or_default(), total })
    }

    /// Reads the pages of a list until `enough` says so of all entries so far, or there are no more.
    ///
    /// A page that is not full is not the last one: a server may give fewer entries than it is asked for.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        call: &Call,
        enough: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        for number in 1.. {
            let page = self.page(call, number).await?;
            let is_empty = page.entries.is_empty();
            all.extend(page.entries);
            if is_empty || page.total.is_some_and(|total| all.len() >= total) || enough(&all) {
                break;
            }
        }
        Ok(all)
    }
}
