//! The pages: one module and one template struct each. Handlers decide,
//! templates print.

pub(crate) mod access;
pub(crate) mod add;
pub(crate) mod analytics;
pub(crate) mod card;
pub(crate) mod dashboard;
pub(crate) mod docs;
pub(crate) mod error;
pub(crate) mod form;
mod link;
pub(crate) mod login;
pub(crate) mod service;
pub(crate) mod status;

use askama::Template;
use axum::{
    http::{HeaderMap, Uri},
    response::Html,
};
use jiff::Timestamp;
use komandorr_collector::read::Step;

use crate::{
    access::session,
    assets::{ASSETS, Assets},
    error::Failure,
    site::Site,
    theme::Theme,
};
pub(crate) use link::Link;

/// A rendered page.
pub(crate) type Page = Result<Html<String>, Failure>;

/// The main pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Dashboard,
    Analytics,
    Pipeline,
    Access,
}

/// What the frame around every page needs.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) title: String,
    pub(crate) tab: Option<Tab>,
    pub(crate) theme: Option<&'static str>,
    /// Whether a browser is logged in, which can sign out.
    pub(crate) session: bool,
    /// Without the ways to other pages, for whoever is not in yet.
    pub(crate) bare: bool,
    /// Where the theme's form comes back to.
    pub(crate) back: String,
    /// Time of the page on the site's clock.
    pub(crate) at: String,
    /// Date of the page, for its print.
    pub(crate) date: String,
    pub(crate) zone: String,
    /// The zone as the script knows it, and its present offset where it does not.
    pub(crate) zone_code: String,
    pub(crate) offset: i32,
    /// The server's clock, Unix milliseconds: the script tells ages by it.
    pub(crate) now_ms: i64,
    /// The stream that keeps the page live.
    pub(crate) stream: String,
    /// The script asks for the page anew after so many seconds; 0: never.
    pub(crate) refresh: u32,
    pub(crate) version: &'static str,
    pub(crate) assets: &'static Assets,
}

/// What 95th percentiles are of where the `finest` that is kept of a range is this.
pub(crate) fn means(finest: Step) -> &'static str {
    if finest >= Step::Hour { "hourly means" } else { "5-minute means" }
}

/// How a page is asked for.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) site: &'a Site,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl Shell {
    pub(crate) fn new(visit: &Visit<'_>, title: &str, tab: Option<Tab>) -> Self {
        let (site, now) = (visit.site, Timestamp::now());
        let back = visit.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Self {
            title: if title.is_empty() {
                "Komandorr".into()
            } else {
                format!("{title} · Komandorr")
            },
            tab,
            theme: Theme::of(visit.headers).map(Theme::as_str),
            session: session::of(site, visit.headers).is_some(),
            bare: false,
            back,
            at: site.clock.time(now),
            date: site.clock.date(now),
            zone: site.clock.zone_name(now),
            zone_code: site.clock.zone_code(now),
            offset: site.clock.zone().to_offset(now).seconds(),
            now_ms: now.as_millisecond(),
            stream: "/api/traffic/stream?view=clock".into(),
            refresh: 0,
            version: env!("CARGO_PKG_VERSION"),
            assets: &ASSETS,
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "templates lend")]
    pub(crate) fn is_at(&self, tab: &Tab) -> bool {
        self.tab == Some(*tab)
    }
}

/// The main pages, where they lie and what they are called.
pub(crate) const TABS: [(Tab, &str, &str); 4] = [
    (Tab::Dashboard, "/", "Dashboard"),
    (Tab::Analytics, "/analytics", "Analytics"),
    (Tab::Pipeline, "/status", "Pipeline"),
    (Tab::Access, "/access", "Access"),
];

/// Renders a page's template.
pub(crate) fn render(template: &impl Template) -> Page {
    Ok(Html(template.render()?))
}

/// Renders a part of a page; a part that fails is left out, and logged.
pub(crate) fn part(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a part of a page did not render");
        String::new()
    })
}
