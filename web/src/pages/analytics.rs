//! What is usual: the hour of the week, this week against the last, the top
//! talkers and the 95th percentiles; for the fleet, a group or one service.

mod answers;
mod files;
mod heat;
mod talkers;
mod week;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use komandorr_collector::read::{Range, ReadError, Scope};
use komandorr_wire::ServiceId;

pub(crate) use answers::keep_ready;
pub(crate) use files::{hours, talkers as talkers_file, week as week_file};

use super::{Link, Page, Shell, Tab, Visit, means, render};
use crate::{
    error::Failure,
    params::{Params, services},
    site::{Shared, Site},
    units::{Rate, Tagged},
};
use answers::Answers;
use heat::HeatView;
use talkers::TalkerRow;
use week::WeekView;

/// Weeks that a page can look back.
const WEEKS: [(u32, &str); 4] = [(1, "1 week"), (4, "4 weeks"), (12, "12 weeks"), (52, "1 year")];
const USUAL_WEEKS: u32 = 4;
/// The days of a week.
const DAYS: [(&str, &str); 7] = [
    ("Monday", "Mon"),
    ("Tuesday", "Tue"),
    ("Wednesday", "Wed"),
    ("Thursday", "Thu"),
    ("Friday", "Fri"),
    ("Saturday", "Sat"),
    ("Sunday", "Sun"),
];

#[derive(Debug, Template)]
#[template(path = "analytics.html")]
struct Analytics {
    shell: Shell,
    /// What is looked at, in words.
    of: String,
    dates: String,
    weeks: u32,
    /// How far back, in words.
    span: &'static str,
    links: Vec<(String, &'static str, bool)>,
    choices: Vec<Choices>,
    /// The views as files: hours, weeks, talkers.
    csv: [String; 3],
    heat: HeatView,
    p95: [(&'static str, Tagged); 2],
    /// What these, and those of the talkers, are of.
    p95_of: &'static str,
    week: WeekView,
    talkers: Vec<TalkerRow>,
    /// How many of how many are shown.
    shown: String,
}

/// A part of the list of what can be looked at.
#[derive(Debug)]
struct Choices {
    label: &'static str,
    /// Value, word, and whether it is the present one.
    options: Vec<(String, String, bool)>,
}

/// What is asked for: of whom, and how far back.
#[derive(Debug)]
struct Question {
    scope: Scope,
    weeks: u32,
    range: Range,
    now: Timestamp,
}

impl Question {
    fn of(site: &Site, params: &Params) -> Result<Self, Failure> {
        let weeks = params.number("weeks", 1..=104)?.unwrap_or(USUAL_WEEKS);
        let scope = scope(params)?;
        site.check(&scope)?;
        Ok(Self::back(scope, weeks)?)
    }

    /// What is asked of some services without any other wish.
    fn usual(scope: Scope) -> Result<Self, ReadError> {
        Self::back(scope, USUAL_WEEKS)
    }

    fn back(scope: Scope, weeks: u32) -> Result<Self, ReadError> {
        let now = Timestamp::now();
        let back = SignedDuration::from_hours(i64::from(weeks) * 7 * 24);
        // Whole hours, so that all that is shown is of the same time.
        let hour = TimestampRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
        let from = now.checked_sub(back).and_then(|from| from.round(hour)).unwrap_or(now);
        let range = Range::new(from, now)?;
        Ok(Self { scope, weeks, range, now })
    }

    /// The address of a view of the same.
    fn link(&self, path: &str) -> Link {
        Link::to(path).with("of", value(&self.scope)).with("weeks", self.weeks)
    }
}

/// What is looked at: `group:Edge`, `service:edge-1`, or nothing for the fleet.
fn scope(params: &Params) -> Result<Scope, Failure> {
    let Some(of) = params.text("of") else { return params.scope() };
    match of.split_once(':') {
        Some(("group", name)) => Ok(Scope::Group(name.to_owned())),
        Some(("service", ids)) => {
            services(ids).map_err(|error| Failure::invalid(format!("of: {error}")))
        }
        _ => Err(Failure::invalid("of must be group:NAME or service:ID")),
    }
}

fn value(scope: &Scope) -> String {
    match scope {
        Scope::All => String::new(),
        Scope::Group(name) => format!("group:{name}"),
        Scope::One(id) => format!("service:{id}"),
        Scope::Several(ids) => {
            let ids: Vec<&str> = ids.iter().map(ServiceId::as_str).collect();
            format!("service:{}", ids.join(","))
        }
    }
}

/// `GET /analytics`
pub(crate) async fn page(
    State(site): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Page {
    let question = Question::of(&site, &params)?;
    let Answers { profile, summary, week, talkers } = Answers::read(&site, &question).await?;
    let Question { scope, weeks, range, now } = &question;
    let mut shell = Shell::new(
        &Visit { site: &site, uri: &uri, headers: &headers },
        "Analytics",
        Some(Tab::Analytics),
    );
    shell.refresh = 300;
    let csv = |name: &str| question.link(&format!("/analytics/{name}.csv")).to_string();
    let link = |(n, word): &(u32, &'static str)| {
        (question.link("/analytics").with("weeks", n).to_string(), *word, n == weeks)
    };
    render(&Analytics {
        shell,
        of: in_words(&site, scope),
        dates: format!("{} to {}", site.clock.date(range.from), site.clock.date(*now)),
        weeks: *weeks,
        span: WEEKS.iter().find(|(n, _)| n == weeks).map_or("the range", |(_, word)| word),
        links: WEEKS.iter().map(link).collect(),
        choices: choices(&site, scope),
        csv: [csv("hours"), csv("week"), csv("talkers")],
        heat: heat::view(&profile),
        p95: [
            ("upload", Rate::known(summary.up_p95_bytes_per_second).tagged()),
            ("download", Rate::known(summary.down_p95_bytes_per_second).tagged()),
        ],
        p95_of: means(site.app.reader.finest_step(*range)),
        week: week.view(&site),
        shown: talkers::told(&talkers),
        talkers: talkers::rows(&talkers, &summary),
    })
}

fn in_words(site: &Site, scope: &Scope) -> String {
    let name = |id: &ServiceId| {
        site.app.registry.get(id.as_str()).map_or_else(|| id.to_string(), |s| s.name.clone())
    };
    match scope {
        Scope::All => "Fleet".into(),
        Scope::Group(name) => format!("Group {name}"),
        Scope::One(id) => name(id),
        Scope::Several(ids) => ids.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

fn choices(site: &Site, scope: &Scope) -> Vec<Choices> {
    let (services, groups) = (site.app.registry.services(), site.app.registry.groups());
    let option = |of: Scope, word: String| (value(&of), word, of == *scope);
    let groups = groups.into_iter().map(|name| option(Scope::Group(name.clone()), name));
    let single = services.iter().map(|s| option(Scope::One(s.id.clone()), s.name.clone()));
    vec![
        Choices { label: "", options: vec![option(Scope::All, "Fleet".into())] },
        Choices { label: "Groups", options: groups.collect() },
        Choices { label: "Services", options: single.collect() },
    ]
}
