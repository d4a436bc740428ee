//! Histories: points of one, several or all services at a step.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::{
    Calendar, MAX_POINTS, Point, Range, ReadError, Reader, Scope, Series, Step, Summary, calendar,
    fold,
    query::{BucketRow, Grouping, Which},
    scope::which,
};
use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS},
    level::Level,
    registry::Service,
};

/// Most rows of single services that are read before they are folded, some 60 MB: of
/// a thousand services a year has a hundred times as many.
pub(super) const MANY_ROWS: usize = 1 << 20;

impl Reader {
    /// The history of each service of a scope, with gaps where there is no data.
    pub async fn history(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
    ) -> Result<Vec<Series>, ReadError> {
        bounded(step, range)?;
        let services = self.services(scope)?;
        let (level, summed) = (self.level_of(step, range), self.level(range));
        let whole = range.widened(summed.length_ms());
        let mut all = Vec::with_capacity(services.len());
        for (group, which) in self.groups(scope, &services, range, level) {
            let mut rows = self.rows_of_each(which.clone(), range, level).await?;
            let mut points = match step {
                Step::Raw => {
                    self.pool.samples(which.clone(), range.widened(level.length_ms())).await?
                }
                step => fold_each(&rows, &self.periods(step, range.widened(level.length_ms()))),
            };
            // Five minutes that were asked for by name may be gone; their sums are not.
            if summed != level {
                rows = self.rows_of_each(which, range, summed).await?;
            }
            let (now, rows) = (Timestamp::now(), by_service(&rows));
            all.extend(group.iter().map(|service| {
                let rows = rows.get(&service.number).copied().unwrap_or_default();
                Series {
                    service: Some(service.id.clone()),
                    points: points.remove(&service.number).unwrap_or_default(),
                    summary: Summary::of(rows, whole, 1, now),
                }
            }));
        }
        Ok(all)
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
        let (which, whole) = (which(scope, &services), range.widened(level.length_ms()));
        let rows = self.pool.buckets(which, whole, level, Grouping::Sum).await?;
        let points = fold::points(&rows, &self.periods(step, whole));
        let summary = if level == self.level(range) {
            Summary::of(&rows, whole, services.len(), Timestamp::now())
        } else {
            self.summary(scope, range).await?
        };
        Ok(Series { service: None, points, summary })
    }

    /// Where the points of a step are made from.
    pub(super) fn level_of(&self, step: Step, range: Range) -> Level {
        if step == Step::FiveMinutes { Level::FiveMinutes } else { self.level(range) }
    }

    /// Services in groups of which so many rows of a level may be in memory; mostly
    /// one.
    pub(super) fn groups<'a>(
        &self,
        scope: &Scope,
        services: &'a [Arc<Service>],
        range: Range,
        level: Level,
    ) -> Vec<(&'a [Arc<Service>], Which)> {
        // Before its first traffic a service has no rows.
        let begins = services.iter().filter_map(|service| self.live.first_day(service.number));
        let begin_ms = begins.min().unwrap_or_default().max(range.from.as_millisecond());
        let rows = level.rows_between(begin_ms, range.to.as_millisecond());
        let width = (MANY_ROWS / rows).max(1);
        if services.len() <= width {
            return vec![(services, which(scope, services))];
        }
        let some = |group: &[Arc<Service>]| {
            Which::Some(group.iter().map(|service| service.number).collect())
        };
        services.chunks(width).map(|group| (group, some(group))).collect()
    }

    /// The points of each of some services, by their numbers; read for this once.
    pub(super) async fn points_of_each(
        &self,
        services: Which,
        range: Range,
        (step, level): (Step, Level),
    ) -> Result<HashMap<i32, Vec<Point>>, ReadError> {
        let whole = range.widened(level.length_ms());
        if step == Step::Raw {
            return self.pool.samples(services, whole).await;
        }
        let rows = self.pool.stored_buckets(services, whole, level, Grouping::Services).await?;
        Ok(fold_each(&rows, &self.periods(step, whole)))
    }

    /// The rows of each of some services, in whole buckets of a level.
    pub(super) async fn rows_of_each(
        &self,
        services: Which,
        range: Range,
        level: Level,
    ) -> Result<Vec<BucketRow>, ReadError> {
        let whole = range.widened(level.length_ms());
        self.pool.buckets(services, whole, level, Grouping::Services).await
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

fn fold_each(rows: &[BucketRow], periods: &[(Timestamp, Timestamp)]) -> HashMap<i32, Vec<Point>> {
    let services = by_service(rows).into_iter();
    services.map(|(number, rows)| (number, fold::points(rows, periods))).collect()
}

/// Rows of which those of a service are together, by its number.
pub(super) fn by_service(rows: &[BucketRow]) -> HashMap<i32, &[BucketRow]> {
    let services = rows.chunk_by(|row, next| row.service_no == next.service_no);
    services.filter_map(|rows| Some((rows.first()?.service_no, rows))).collect()
}
