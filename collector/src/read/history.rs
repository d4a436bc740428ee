//! Histories: points of one, several or all services at a step.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use komandorr_wire::ServiceId;

use super::{
    Calendar, MAX_POINTS, Range, ReadError, Reader, Scope, Series, Step, Summary, calendar, fold,
    query::{self, BucketRow, Grouping, Which},
    which,
};
use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS},
    level::Level,
    registry::Service,
};

impl Reader {
    /// The history of each service of a scope, with gaps where there is no data.
    pub async fn history(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
    ) -> Result<Vec<Series>, ReadError> {
        bounded(step, range)?;
        let (services, level) = (self.services(scope)?, self.level_of(step, range));
        let which = which(scope, &services);
        self.series(&services, which, range, (step, level), Grouping::Services).await
    }

    /// The history of all services of a scope together, as one series.
    pub async fn history_sum(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
    ) -> Result<Series, ReadError> {
        let step = step.max(Step::FiveMinutes);
        bounded(step, range)?;
        let (services, level) = (self.services(scope)?, self.level_of(step, range));
        let which = which(scope, &services);
        let series = self.series(&services, which, range, (step, level), Grouping::Sum).await?;
        let empty = || Series {
            service: None,
            points: Vec::new(),
            summary: Summary::of(&[], range, 1, Timestamp::now()),
        };
        Ok(series.into_iter().next().unwrap_or_else(empty))
    }

    /// Where the points of a step are made from.
    pub(super) fn level_of(&self, step: Step, range: Range) -> Level {
        if step == Step::FiveMinutes { Level::FiveMinutes } else { self.level(range) }
    }

    /// The series of some services, however long they are, at a step that is
    /// made from a level.
    pub(super) async fn series(
        &self,
        services: &[Arc<Service>],
        which: Which,
        range: Range,
        (step, level): (Step, Level),
        grouping: Grouping,
    ) -> Result<Vec<Series>, ReadError> {
        let range = range.widened(level.length_ms());
        let mut rows = by_service(self.pool.buckets(which.clone(), range, level, grouping).await?);
        let mut raw = match step {
            Step::Raw => self.pool.samples(which, range).await?,
            _ => HashMap::new(),
        };
        let now = Timestamp::now();
        let mut series = |number: i32, service: Option<ServiceId>, members: usize| {
            let rows = rows.remove(&number).unwrap_or_default();
            let summary = Summary::of(&rows, range, members, now);
            let points = match step {
                Step::Raw => raw.remove(&number).unwrap_or_default(),
                step => fold::points(&rows, &self.periods(step, range)),
            };
            Series { service, points, summary }
        };
        Ok(match grouping {
            Grouping::Sum => vec![series(query::SUM, None, services.len())],
            Grouping::Services => services
                .iter()
                .map(|service| series(service.number, Some(service.id.clone()), 1))
                .collect(),
        })
    }

    /// The periods of a step that a range touches.
    pub(super) fn periods(&self, step: Step, range: Range) -> Vec<(Timestamp, Timestamp)> {
        match step {
            Step::Raw | Step::FiveMinutes => calendar::fixed(range, FIVE_MINUTES_MS),
            Step::Hour => calendar::fixed(range, HOUR_MS),
            Step::Day => Calendar::Day.periods(range, self.zone()),
            Step::Week => Calendar::Week.periods(range, self.zone()),
        }
    }
}

fn bounded(step: Step, range: Range) -> Result<(), ReadError> {
    let points = step.points(range);
    if points > MAX_POINTS { Err(ReadError::TooManyPoints(points)) } else { Ok(()) }
}

/// Rows by service, which come in the order of services.
pub(super) fn by_service(rows: Vec<BucketRow>) -> HashMap<i32, Vec<BucketRow>> {
    match (rows.first(), rows.last()) {
        // Not copied: mostly one service is asked for, and may have many.
        (Some(first), Some(last)) if first.service_no == last.service_no => {
            HashMap::from([(first.service_no, rows)])
        }
        _ => {
            let services = rows.chunk_by(|row, next| row.service_no == next.service_no);
            services.filter_map(|rows| Some((rows.first()?.service_no, rows.to_vec()))).collect()
        }
    }
}
