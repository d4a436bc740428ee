//! The range that a page shows: the last hour, day, week, month or year, or
//! one's own.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Calendar, Range, Step, Summary};

use crate::{
    error::Failure,
    pages::Link,
    params::{LONGEST_RANGE, Params},
    text::sentence,
    when::Clock,
};

/// Longest range that is drawn from single samples.
const RAW_UP_TO: SignedDuration = SignedDuration::from_mins(70);

/// A range with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Hour,
    Day,
    Week,
    Month,
    Year,
    Custom,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    name: Name,
    pub(super) range: Range,
}

/// The form for a range of one's own.
#[derive(Debug)]
pub(super) struct OwnRange {
    pub(super) from: String,
    pub(super) to: String,
    /// What the volumes are per, which the form must not forget.
    pub(super) per: &'static str,
    /// What is wrong with what was typed.
    pub(super) wrong: Option<String>,
}

/// A link to another range.
#[derive(Debug)]
pub(super) struct SpanLink {
    pub(super) href: String,
    pub(super) word: &'static str,
    pub(super) current: bool,
}

impl Name {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Hour, "hour", "Hour"),
        (Self::Day, "day", "Day"),
        (Self::Week, "week", "Week"),
        (Self::Month, "month", "Month"),
        (Self::Year, "year", "Year"),
        (Self::Custom, "custom", "Custom"),
    ];

    fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day | Self::Custom => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
            Self::Year => 365 * 24,
        }
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(name, ..)| *name == self).map_or("day", |(_, word, _)| word)
    }
}

impl Span {
    /// What is asked for. Where nothing is: the last day, or the last hour of a
    /// service whose traffic `begins` within it.
    pub(super) fn of(
        params: &Params,
        clock: &Clock,
        begins: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let young = |begins| now.duration_since(begins) < SignedDuration::from_hours(1);
        let name = match params.text("range") {
            _ if is_own(params) => Name::Custom,
            None if begins.is_some_and(young) => Name::Hour,
            None => Name::Day,
            Some(word) => {
                Name::ALL.iter().find(|(_, known, _)| *known == word).map(|n| n.0).ok_or_else(
                    || Failure::invalid("range must be hour, day, week, month, year or custom"),
                )?
            }
        };
        let before = |end: Timestamp| {
            end.checked_sub(SignedDuration::from_hours(name.hours())).unwrap_or(end)
        };
        let moment = |field: &str| match params.text(field) {
            None => Ok(None),
            Some(text) => clock.read_field(text).map(Some).ok_or_else(|| {
                Failure::invalid(format!(
                    "{field} must be a date and time such as 2026-11-20T20:00"
                ))
            }),
        };
        let to = moment("to")?.unwrap_or(now);
        let from = moment("from")?.unwrap_or_else(|| before(to));
        let range =
            Range::new(from, to).ok().ok_or_else(|| Failure::invalid("from must be before to"))?;
        if range.to.duration_since(range.from) > LONGEST_RANGE {
            return Err(Failure::invalid("a range can be at most eleven years long"));
        }
        Ok(Self { name, range })
    }

    /// What is asked for; in place of a range of one's own that cannot be, the
    /// last day, and why. Its form comes back with what was typed.
    pub(super) fn or_last_day(
        params: &Params,
        clock: &Clock,
        begins: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(Self, Option<String>), Failure> {
        match Self::of(params, clock, begins, now) {
            Ok(span) => Ok((span, None)),
            Err(failure) if is_own(params) => {
                let day = SignedDuration::from_hours(Name::Custom.hours());
                let range = Range::new(now.checked_sub(day).unwrap_or(now), now)?;
                Ok((Self { name: Name::Custom, range }, Some(sentence(&failure.message))))
            }
            Err(failure) => Err(failure),
        }
    }

    fn length(&self) -> SignedDuration {
        self.range.to.duration_since(self.range.from)
    }

    /// Single samples for an hour, and else what fits the picture and is kept:
    /// `finest` of the buckets.
    pub(super) fn step(&self, finest: Step) -> Step {
        let short = self.length() <= RAW_UP_TO;
        if short { Step::Raw } else { Step::for_range(self.range).max(finest) }
    }

    /// The same with the range that an answer is of: whole buckets, whose end
    /// may lie ahead. What the page shows is what its figures are of.
    pub(super) fn answered(&self, of: &Summary, now: Timestamp) -> Self {
        let ahead = now.max(self.range.to);
        Self { name: self.name, range: Range { from: of.from, to: of.to.min(ahead) } }
    }

    /// Said beside the form where what is `shown` is wider than what was asked for: who
    /// zooms into less than a bucket would else see nothing happen.
    pub(super) fn widened(
        &self,
        shown: &Self,
        finest: Step,
        clock: &Clock,
        now: Timestamp,
    ) -> Option<String> {
        let fields = |span: &Self| [span.range.from, span.range.to].map(|at| clock.field(at));
        if self.name != Name::Custom || fields(self) == fields(shown) {
            return None;
        }
        let buckets = if finest >= Step::Hour { "hours" } else { "five minutes" };
        Some(format!("Figures are of whole {buckets}: shown is {}.", shown.heading(clock, now)))
    }

    /// Which time volumes are of, in words.
    pub(super) fn volume_of(&self, clock: &Clock, now: Timestamp) -> String {
        match self.name {
            Name::Custom => "volume of this range".into(),
            _ => format!("volume since {}", clock.moment(self.range.from, now)),
        }
    }

    /// After so many seconds the chart is drawn anew; 0: it shows the past.
    pub(super) fn refresh_seconds(&self) -> u32 {
        match self.name {
            Name::Hour => 10,
            Name::Day | Name::Week => 60,
            Name::Month | Name::Year => 300,
            Name::Custom => 0,
        }
    }

    /// The range in words.
    pub(super) fn heading(&self, clock: &Clock, now: Timestamp) -> String {
        match self.name {
            Name::Hour => "Last hour".into(),
            Name::Day => "Last 24 hours".into(),
            Name::Week => "Last 7 days".into(),
            Name::Month => "Last 30 days".into(),
            Name::Year => "Last 365 days".into(),
            Name::Custom => {
                let (from, to) = (self.range.from, self.range.to);
                // The end has its date too, unless that is the begin's.
                format!("{} to {}", clock.moment(from, now), clock.moment(to, from))
            }
        }
    }

    /// Links to all ranges.
    pub(super) fn links(&self, path: &str, unit: Calendar) -> Vec<SpanLink> {
        let link = |&(name, query, word): &(Name, &'static str, &'static str)| SpanLink {
            href: Link::to(path)
                .with("range", query)
                .with("per", super::volumes::word(unit))
                .to_string(),
            word,
            current: name == self.name,
        };
        Name::ALL.iter().map(link).collect()
    }

    /// The parameters that lead back to this range.
    pub(super) fn link(&self, path: &str) -> Link {
        let link = Link::to(path);
        match self.name {
            Name::Custom => link.with("from", self.range.from).with("to", self.range.to),
            name => link.with("range", name.word()),
        }
    }

    /// The form for a range of one's own, where it is shown: with this range,
    /// or with what was typed and why that is `wrong`.
    pub(super) fn form(
        &self,
        params: &Params,
        clock: &Clock,
        unit: Calendar,
        wrong: Option<String>,
    ) -> Option<OwnRange> {
        let typed = |field: &str| params.text(field).unwrap_or_default().to_owned();
        let [from, to] = match &wrong {
            Some(_) => [typed("from"), typed("to")],
            None => [self.range.from, self.range.to].map(|at| clock.field(at)),
        };
        let form = OwnRange { from, to, per: super::volumes::word(unit), wrong };
        (self.name == Name::Custom).then_some(form)
    }
}

/// Whether a range of one's own is asked for.
fn is_own(params: &Params) -> bool {
    params.text("from").is_some() || params.text("to").is_some()
}
