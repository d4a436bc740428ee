//! What is said where there is nothing to draw.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::registry::Service;

use super::span::Span;
use crate::{pages::Link, site::Site};

/// Words in place of a chart, and a way to where there is something.
#[derive(Debug)]
pub(super) struct Nothing {
    pub(super) sentence: String,
    pub(super) first_day: Option<Link>,
}

impl Nothing {
    pub(super) fn of(
        site: &Site,
        service: &Service,
        span: &Span,
        begins: Option<Timestamp>,
    ) -> Self {
        let clock = &site.clock;
        let (from, to) = (clock.date(span.range.from), clock.date(span.range.to));
        let sentence = if begins.is_none() {
            let since = clock.date(service.created_at);
            format!("{} has not sent a sample yet. It was registered on {since}.", service.name)
        } else if from == to {
            format!("No sample lies in this range of {from}.")
        } else {
            format!("No sample lies between {from} and {to}.")
        };
        let day = |begin: Timestamp| {
            let end = begin.checked_add(SignedDuration::from_hours(24)).unwrap_or(begin);
            let path = format!("/services/{}", service.id);
            Link::to(path).with("from", begin).with("to", end.min(Timestamp::now()))
        };
        Self { sentence, first_day: begins.map(day) }
    }
}
