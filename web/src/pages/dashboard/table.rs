//! The table of all services: what is shown of it, in what order, and the
//! links to every other view of it.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use komandorr_wire::ServiceId;

use super::name_of;
use crate::{error::Failure, hub::Item, pages::Link, params::Params};

/// Rows of a page.
const PER_PAGE: usize = 50;
/// Longest search that is taken; the rest is cut.
const LONGEST_SEARCH: usize = 100;

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Service,
    Group,
    Upload,
    Download,
    Total,
    Utilisation,
    Today,
    Month,
    Seen,
}

/// Which rows are asked for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    search: String,
    group: String,
    key: Key,
    /// Smallest first.
    ascending: bool,
    page: usize,
}

/// The rows of one page.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) rows: Vec<&'a Arc<Item>>,
    selection: &'a Selection,
    /// How many services match.
    found: usize,
    /// The page that is shown; the last one where a later one was asked for.
    page: usize,
}

/// A tab above the table.
#[derive(Debug)]
pub(super) struct TabLink {
    pub(super) href: String,
    pub(super) word: String,
    pub(super) count: usize,
    pub(super) current: bool,
}

/// A column's head.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) class: &'static str,
    pub(super) order: Option<&'static str>,
    /// Sorts by this column; empty where that makes no sense.
    pub(super) href: String,
    pub(super) tone: &'static str,
    pub(super) arrow: &'static str,
    pub(super) word: &'static str,
}

/// The line below the table.
#[derive(Debug)]
pub(super) struct Pager {
    pub(super) text: String,
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Key {
    const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Service, "service", "name"),
        (Self::Group, "group", "group"),
        (Self::Upload, "upload", "upload"),
        (Self::Download, "download", "download"),
        (Self::Total, "total", "current traffic"),
        (Self::Utilisation, "utilisation", "utilisation"),
        (Self::Today, "today", "volume today"),
        (Self::Month, "month", "volume this month"),
        (Self::Seen, "seen", "last sample"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(key, ..)| *key == self).map_or("total", |(_, word, _)| word)
    }

    fn means(self) -> &'static str {
        Self::ALL.iter().find(|(key, ..)| *key == self).map_or("", |(.., means)| means)
    }

    /// Names are read from A, figures from the largest.
    fn starts_ascending(self) -> bool {
        matches!(self, Self::Service | Self::Group)
    }

    fn compare(self, a: &Item, b: &Item) -> Ordering {
        let (x, y) = (&a.current, &b.current);
        match self {
            Self::Service => name_of(a).cmp(name_of(b)),
            Self::Group => x.group.cmp(&y.group),
            Self::Upload => x.up_bytes_per_second.cmp(&y.up_bytes_per_second),
            Self::Download => x.down_bytes_per_second.cmp(&y.down_bytes_per_second),
            Self::Total => {
                let known = x.sampled_at.is_some().cmp(&y.sampled_at.is_some());
                x.total_bytes_per_second().cmp(&y.total_bytes_per_second()).then(known)
            }
            Self::Utilisation => {
                let percent = |of: Option<f64>| of.unwrap_or(-1.0);
                percent(x.utilisation_percent).total_cmp(&percent(y.utilisation_percent))
            }
            Self::Today => x.today.total().cmp(&y.today.total()),
            Self::Month => x.month.total().cmp(&y.month.total()),
            Self::Seen => x.sampled_at.cmp(&y.sampled_at),
        }
    }
}

impl Selection {
    pub(super) fn of(params: &Params) -> Result<Self, Failure> {
        let search = params.text("q").unwrap_or_default().trim();
        let key = match params.text("sort") {
            None => Key::Total,
            Some(word) => Key::ALL
                .iter()
                .find(|(_, known, _)| *known == word)
                .map(|k| k.0)
                .ok_or_else(|| {
                    Failure::invalid("sort must be the name of a column, such as total or service")
                })?,
        };
        let ascending = match params.text("order") {
            None => key.starts_ascending(),
            Some("asc") => true,
            Some("desc") => false,
            Some(_) => return Err(Failure::invalid("order must be asc or desc")),
        };
        let page = params.number("page", 1..=1_000_000)?.unwrap_or(1);
        Ok(Self {
            search: search.chars().take(LONGEST_SEARCH).collect(),
            group: params.text("group").unwrap_or_default().to_owned(),
            key,
            ascending,
            page: usize::try_from(page).unwrap_or(1),
        })
    }

    pub(super) fn search(&self) -> &str {
        &self.search
    }

    /// The address of this view, without its page.
    fn link(&self) -> Link {
        let link = Link::to("/").with("q", &self.search).with("group", &self.group);
        let usual = self.key == Key::Total && !self.ascending;
        if usual { link } else { Self::sorted(link, self.key, self.ascending) }
    }

    fn sorted(link: Link, key: Key, ascending: bool) -> Link {
        let order = if ascending { "asc" } else { "desc" };
        let order = if ascending == key.starts_ascending() { "" } else { order };
        link.with("sort", key.word()).with("order", order)
    }

    /// What the search form must not forget.
    pub(super) fn hidden(&self) -> Vec<(&'static str, String)> {
        self.link().with("q", "").pairs()
    }

    fn matches(&self, item: &Item, needle: &str) -> bool {
        let current = &item.current;
        let group = current.group.as_deref().unwrap_or_default();
        let has = |text: &str| text.to_lowercase().contains(needle);
        (self.group.is_empty() || self.group == group)
            && (needle.is_empty()
                || has(&current.name)
                || has(group)
                || has(current.service.as_str()))
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |key: Key, class, tone, arrow, word| {
            let mine = self.key == key;
            let ascending = if mine { !self.ascending } else { key.starts_ascending() };
            let order = if self.ascending { "ascending" } else { "descending" };
            Column {
                class,
                order: mine.then_some(order),
                href: Self::sorted(self.link(), key, ascending).to_string(),
                tone,
                arrow,
                word,
            }
        };
        let plain = |class, word| Column {
            class,
            order: None,
            href: String::new(),
            tone: "",
            arrow: "",
            word,
        };
        vec![
            column(Key::Service, "", "", "", "Service"),
            column(Key::Group, "opt2", "", "", "Group"),
            column(Key::Upload, "n", "up", "↑", "Upload"),
            column(Key::Download, "n last", "down", "↓", "Download"),
            column(Key::Total, "n opt2", "total", "Σ", "Total"),
            plain("opt4", "Last samples"),
            column(Key::Utilisation, "opt4", "", "", "Utilisation"),
            column(Key::Today, "n opt4", "", "", "Today"),
            column(Key::Month, "n opt2", "", "", "This month"),
            column(Key::Seen, "n tight opt3", "", "", "Last seen"),
        ]
    }

    pub(super) fn caption(&self) -> String {
        let order = match (self.key.starts_ascending(), self.ascending) {
            (true, true) => "from A to Z",
            (true, false) => "from Z to A",
            (false, true) => "the least first",
            (false, false) => "the most first",
        };
        format!("All services, sorted by {}, {order}", self.key.means())
    }

    /// What stands in place of rows where there are none.
    pub(super) fn nothing(&self) -> String {
        match (self.search.is_empty(), self.group.is_empty()) {
            (true, _) => format!("No service is in the group \"{}\".", self.group),
            (false, true) => format!("No service or group contains \"{}\".", self.search),
            (false, false) => {
                format!("No service in the group \"{}\" contains \"{}\".", self.group, self.search)
            }
        }
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(items: &'a [Arc<Item>], selection: &'a Selection) -> Self {
        let needle = selection.search.to_lowercase();
        let mut found: Vec<_> = items.iter().filter(|i| selection.matches(i, &needle)).collect();
        found.sort_by(|a, b| {
            let order = selection.key.compare(a, b);
            let order = if selection.ascending { order } else { order.reverse() };
            order.then_with(|| name_of(a).cmp(name_of(b)))
        });
        let pages = found.len().div_ceil(PER_PAGE).max(1);
        let page = selection.page.min(pages);
        let number = found.len();
        let rows = found.into_iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).collect();
        Self { rows, selection, found: number, page }
    }

    /// The stream that keeps these rows live.
    pub(super) fn stream(&self, known: u64) -> String {
        let ids: Vec<&ServiceId> = self.rows.iter().map(|item| &item.current.service).collect();
        let ids: Vec<&str> = ids.into_iter().map(ServiceId::as_str).collect();
        Link::to("/api/traffic/stream")
            .with("view", "dashboard")
            .with("since", known)
            .with("rows", ids.join(","))
            .to_string()
    }

    /// All, and every group; none where there are no groups.
    pub(super) fn tabs(&self, items: &[Arc<Item>]) -> Vec<TabLink> {
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for group in items.iter().filter_map(|item| item.current.group.as_deref()) {
            *groups.entry(group).or_default() += 1;
        }
        if groups.is_empty() {
            return Vec::new();
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let tab = |group: &str, word: &str, count| TabLink {
            href: self.selection.link().with("group", group).to_string(),
            word: word.to_owned(),
            count,
            current: self.selection.group == group,
        };
        let all = tab("", "All", items.len());
        std::iter::once(all).chain(groups.into_iter().map(|(g, n)| tab(g, g, n))).collect()
    }

    pub(super) fn pager(&self) -> Pager {
        let pages = self.found.div_ceil(PER_PAGE).max(1);
        let first = (self.page - 1) * PER_PAGE + 1;
        let to_page = |page: usize| self.selection.link().with("page", page).to_string();
        Pager {
            text: match self.rows.len() {
                0 => "0 services".to_owned(),
                rows => format!("{first} to {} of {}", first + rows - 1, self.found),
            },
            page: self.page,
            pages,
            before: (self.page > 1).then(|| to_page(self.page - 1)),
            after: (self.page < pages).then(|| to_page(self.page + 1)),
        }
    }
}
