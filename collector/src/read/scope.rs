//! Which services and which rows a question is about.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use komandorr_wire::ServiceId;

use super::{
    Range, ReadError, Reader, Scope,
    query::{BucketRow, Grouping, Which},
};
use crate::{bucket::HOUR_MS, level::Level, registry::Service};

/// A scope's services as queries name them.
pub(super) fn which(scope: &Scope, services: &[Arc<Service>]) -> Which {
    let numbers = services.iter().map(|service| service.number).collect();
    if *scope == Scope::All { Which::All(numbers) } else { Which::Some(numbers) }
}

impl Reader {
    /// Rows from which local hours and days can be cut: hours, or five minutes
    /// where the zone is not whole hours from UTC. Where these are not kept any
    /// more, hours again: each counts as a whole where it begins.
    pub(super) async fn local_rows(
        &self,
        scope: &Scope,
        periods: &[(Timestamp, Timestamp)],
    ) -> Result<Vec<BucketRow>, ReadError> {
        let (Some(first), Some(last)) = (periods.first(), periods.last()) else {
            return Ok(Vec::new());
        };
        let range = Range { from: first.0, to: last.1 };
        let whole_hours = |at: &Timestamp| at.as_millisecond() % HOUR_MS == 0;
        let hours = periods.iter().all(|(start, end)| whole_hours(start) && whole_hours(end));
        let exact = !hours && self.keeps_five_minutes(range);
        let level = if exact { Level::FiveMinutes } else { Level::Hour };
        let services = self.services(scope)?;
        let (which, grouping) = (which(scope, &services), Grouping::of(&services));
        self.pool.buckets(which, range, level, grouping).await
    }

    /// Five minutes while they are kept, else hours. Years of five minutes are
    /// never read: hours are a twelfth of the rows.
    pub(super) fn level(&self, range: Range) -> Level {
        let length = range.to.duration_since(range.from).unsigned_abs();
        let long = length > self.minutes.length();
        if long || !self.keeps_five_minutes(range) { Level::Hour } else { Level::FiveMinutes }
    }

    /// Whether the five minutes at the begin of a range are still kept.
    pub(super) fn keeps_five_minutes(&self, range: Range) -> bool {
        self.minutes.since(range.from)
    }

    /// The services of a scope, each once; each that is named must be registered.
    pub(super) fn services(&self, scope: &Scope) -> Result<Vec<Arc<Service>>, ReadError> {
        let registered = |id: &ServiceId| {
            self.registry.get(id.as_str()).ok_or_else(|| ReadError::Unknown(id.to_string()))
        };
        match scope {
            Scope::All => Ok(self.registry.services()),
            Scope::One(id) => Ok(vec![registered(id)?]),
            Scope::Several(ids) => {
                let mut named = HashSet::new();
                ids.iter().filter(|id| named.insert(*id)).map(registered).collect()
            }
            Scope::Group(name) => {
                let mut services = self.registry.services();
                services.retain(|service| service.group.as_ref() == Some(name));
                if services.is_empty() {
                    return Err(ReadError::Unknown(name.clone()));
                }
                Ok(services)
            }
        }
    }
}
