//! Parts of long lists: so many, after a certain one.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Params;
use crate::error::Failure;

/// Most that one answer lists.
const MOST: u32 = 10_000;

/// Longest id or name, in characters.
const LONGEST: usize = 64;

/// A part of a list in the order of ids or names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    after: Option<String>,
    limit: usize,
}

impl Params {
    /// `limit=` and `after=`.
    pub(crate) fn page(&self) -> Result<Page, Failure> {
        let limit = self.number("limit", 1..=MOST)?.unwrap_or(MOST);
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        let after = self.text("after");
        if after.is_some_and(|after| after.len() > LONGEST || !after.chars().all(fits)) {
            let message = format!("after must be an id or a name of at most {LONGEST} characters");
            return Err(Failure::invalid(message));
        }
        Ok(Page {
            after: after.map(str::to_owned),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }
}

impl Page {
    /// Cuts a list, which is in that order; with the id or name after which the
    /// next page begins, where there is one.
    pub(crate) fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        id: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let later = |item: &T| self.after.as_ref().is_none_or(|after| id(item) > *after);
        let mut items = items.into_iter().filter(later);
        let page: Vec<T> = items.by_ref().take(self.limit).collect();
        let last = page.last().filter(|_| items.next().is_some()).map(id);
        (page, last)
    }

    /// A page as JSON; where there are more, the header `link` says where.
    pub(crate) fn answer<T: Serialize>(
        &self,
        path: &str,
        items: &[T],
        last: Option<&str>,
    ) -> Response {
        let mut response = Json(items).into_response();
        let next =
            last.map(|last| format!("<{path}?limit={}&after={last}>; rel=\"next\"", self.limit));
        if let Some(link) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pages_of_a_list_are_the_list(
            ids in prop::collection::btree_set("[a-z][a-z0-9]{0,4}", 0..40),
            limit in 1..10usize,
        ) {
            let ids: Vec<_> = ids.into_iter().collect();
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let (page, last) = Page { after, limit }.cut(ids.clone(), Clone::clone);
                prop_assert!(page.len() <= limit);
                seen.extend(page);
                after = last;
                if after.is_none() { break }
            }
            prop_assert_eq!(seen, ids);
        }
    }
}
