//! Pages of a list and the `Link` header that leads through them.

use super::call::{Answer, Call};
use crate::local_forge::urls::Urls;

const DEFAULT_SIZE: usize = 30;
const LARGEST_SIZE: usize = 100;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    link: Option<String>,
}

impl<T> Page<T> {
    /// Cuts out the page that `call` asks for.
    pub(super) fn cut(urls: &Urls, call: &Call, all: Vec<T>) -> Self {
        let number = |name| call.parameter(name).and_then(|text| text.parse::<usize>().ok()).filter(|n| *n > 0);
        let size = number("per_page").unwrap_or(DEFAULT_SIZE).min(LARGEST_SIZE);
        let page = number("page").unwrap_or(1);
        let last = all.len().div_ceil(size).max(1);
        let items = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        Self { items, link: links(urls, call, page, last) }
    }

    /// Adds the header to an answer.
    pub(super) fn link(link: Option<String>, mut answer: Answer) -> Answer {
        answer.headers.extend(link.map(|link| ("link", link)));
        answer
    }

    /// Answers with the items as they are shown.
    pub(super) fn answer(self, show: impl FnMut(T) -> serde_json::Value) -> Answer {
        let shown: Vec<serde_json::Value> = self.items.into_iter().map(show).collect();
        Self::link(self.link, Answer::ok(shown))
    }

    /// Returns the items and the header.
    pub(super) fn split(self) -> (Vec<T>, Option<String>) {
        (self.items, self.link)
    }
}

fn links(urls: &Urls, call: &Call, page: usize, last: usize) -> Option<String> {
    let wanted = [
        ("prev", page - 1, page > 1),
        ("next", page + 1, page < last),
        ("last", last, page < last),
        ("first", 1, page > 1),
    ];
    let links: Vec<String> = wanted
        .into_iter()
        .filter(|(_, _, is_there)| *is_there)
        .map(|(relation, number, _)| format!("<{}>; rel=\"{relation}\"", address(urls, call, number)))
        .collect();
    (!links.is_empty()).then(|| links.join(", "))
}

fn address(urls: &Urls, call: &Call, page: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(call.query.iter().filter(|(name, _)| name != "page"));
    query.append_pair("page", &page.to_string());
    format!("{}{}?{}", urls.api(), call.path, query.finish())
}

#[cfg(test)]
mod tests {
    use super::{Call, Page, Urls};
    use crate::local_forge::credentials::Caller;

    fn cut(query: &str, count: usize) -> Page<usize> {
        let urls = Urls::new("http://forge".to_owned());
        Page::cut(&urls, &Call::new("GET", "/repos/o/r/pulls", query, None, Caller::Nobody), (0..count).collect())
    }

    #[test]
    fn the_first_page_links_to_the_next_and_the_last() {
        let page = cut("state=all&per_page=2", 5);
        assert_eq!(page.items, [0, 1]);
        assert_eq!(
            page.link.as_deref(),
            Some(
                "<http://forge/api/v3/repos/o/r/pulls?state=all&per_page=2&page=2>; rel=\"next\", \
                 <http://forge/api/v3/repos/o/r/pulls?state=all&per_page=2&page=3>; rel=\"last\""
            ),
        );
    }

    #[test]
    fn the_last_page_links_back_only() {
        let page = cut("per_page=2&page=3", 5);
        assert_eq!(page.items, [4]);
        assert!(page.link.is_some_and(|link| link.contains("rel=\"prev\"") && !link.contains("rel=\"next\"")));
    }

    #[test]
    fn a_list_on_one_page_has_no_links() {
        assert_eq!(cut("", 30).link, None);
        assert_eq!(cut("per_page=1000", 100).items.len(), 100);
    }
}
