//! Questions about stored traffic. Every answer is exact after every commit,
//! late samples included.

mod calendar;
mod fold;
mod profile;
mod query;
mod question;
mod weeks;

use std::{collections::HashMap, sync::Arc, time::Duration};

use duckdb::Connection;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_wire::ServiceId;

pub use calendar::Calendar;
pub use fold::{Peak, Point, Summary};
pub use profile::{HourCell, HourProfile};
pub use query::{Holdings, InterfaceVolume, Kept};
pub use question::{MAX_POINTS, PeriodVolume, Range, ReadError, Scope, Series, Step, Talker};
pub use weeks::WeekReport;

use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS},
    live::Volume,
    registry::Registry,
};
use query::{BucketRow, Grouping, Level, Pool};

/// The reading face of the store. Cheap to clone; queries run beside the
/// writer, off the async threads.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
    registry: Arc<Registry>,
    zone: TimeZone,
    keep_five_minutes: Duration,
}

/// Rows by service, in their order.
fn by_service(rows: Vec<BucketRow>) -> HashMap<i32, Vec<BucketRow>> {
    let mut grouped: HashMap<i32, Vec<BucketRow>> = HashMap::new();
    for row in rows {
        grouped.entry(row.service_no).or_default().push(row);
    }
    grouped
}

impl Reader {
    pub(crate) fn new(
        connection: Connection,
        registry: &Arc<Registry>,
        zone: TimeZone,
        keep_five_minutes: Duration,
    ) -> Self {
        let pool = Pool::new(connection);
        Self { pool, registry: Arc::clone(registry), zone, keep_five_minutes }
    }

    /// The time zone in which days, weeks and months are cut.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The history of each service of a scope, with gaps where there is no data.
    pub async fn history(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
    ) -> Result<Vec<Series>, ReadError> {
        self.series(scope, range, step, Grouping::Services).await
    }

    /// The history of all services of a scope together, as one series.
    pub async fn history_sum(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
    ) -> Result<Series, ReadError> {
        let step = step.max(Step::FiveMinutes);
        let series = self.series(scope, range, step, Grouping::Sum).await?;
        let empty = || Series {
            service: None,
            points: Vec::new(),
            summary: Summary::of(&[], range, 1, Timestamp::now()),
        };
        Ok(series.into_iter().next().unwrap_or_else(empty))
    }

    async fn series(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
        grouping: Grouping,
    ) -> Result<Vec<Series>, ReadError> {
        if step.points(range) > MAX_POINTS {
            return Err(ReadError::TooManyPoints(step.points(range)));
        }
        let services = self.services(scope)?;
        let numbers: Vec<i32> = services.iter().map(|service| service.number).collect();
        let level = if step == Step::FiveMinutes { Level::FiveMinutes } else { self.level(range) };
        let range = range.widened(level.length_ms());
        let mut rows =
            by_service(self.pool.buckets(numbers.clone(), range, level, grouping).await?);
        let mut raw = match step {
            Step::Raw => self.pool.samples(numbers, range).await?,
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

    fn periods(&self, step: Step, range: Range) -> Vec<(Timestamp, Timestamp)> {
        match step {
            Step::Raw | Step::FiveMinutes => calendar::fixed(range, FIVE_MINUTES_MS),
            Step::Hour => calendar::fixed(range, HOUR_MS),
            Step::Day => Calendar::Day.periods(range, &self.zone),
            Step::Week => Calendar::Week.periods(range, &self.zone),
        }
    }

    /// Volumes, mean, peak, 95th percentile and coverage of a range.
    pub async fn summary(&self, scope: &Scope, range: Range) -> Result<Summary, ReadError> {
        self.summary_at(scope, range, Timestamp::now()).await
    }

    /// The summary as it looks at an instant: coverage is of what is past.
    async fn summary_at(
        &self,
        scope: &Scope,
        range: Range,
        now: Timestamp,
    ) -> Result<Summary, ReadError> {
        let services = self.services(scope)?;
        let numbers: Vec<i32> = services.iter().map(|service| service.number).collect();
        let level = self.level(range);
        let range = range.widened(level.length_ms());
        let (grouping, members) = (Grouping::of(&numbers), numbers.len());
        let rows = self.pool.buckets(numbers, range, level, grouping).await?;
        Ok(Summary::of(&rows, range, members, now))
    }

    /// Volumes per hour, day, ISO week, month or year of the site's time zone,
    /// oldest first, periods without data included.
    pub async fn volumes(
        &self,
        scope: &Scope,
        range: Range,
        unit: Calendar,
    ) -> Result<Vec<PeriodVolume>, ReadError> {
        let periods = unit.periods(range, &self.zone);
        if periods.len() > MAX_POINTS {
            return Err(ReadError::TooManyPoints(periods.len()));
        }
        let rows = self.local_rows(scope, &periods).await?;
        Ok(fold::volumes(&rows, &periods))
    }

    /// What an hour of the week is usually like, over the last whole weeks.
    pub async fn hour_profile(
        &self,
        scope: &Scope,
        weeks: u32,
        now: Timestamp,
    ) -> Result<HourProfile, ReadError> {
        let hours = profile::hours(weeks, now, &self.zone);
        let rows = self.local_rows(scope, &hours).await?;
        Ok(HourProfile::of(&rows, &hours, &self.zone))
    }

    /// The last ISO weeks, oldest first, this one included.
    pub async fn weekly(
        &self,
        scope: &Scope,
        weeks: u32,
        now: Timestamp,
    ) -> Result<Vec<WeekReport>, ReadError> {
        let periods = weeks::last(weeks, now, &self.zone);
        let mut reports: Vec<WeekReport> = Vec::with_capacity(periods.len());
        for (start, end) in periods {
            let range = Range { from: start, to: end };
            let summary = self.summary_at(scope, range, now).await?;
            let before = reports.last();
            reports.push(WeekReport::of(range, summary, before, now, &self.zone));
        }
        Ok(reports)
    }

    /// The services with the most bytes in a range, most first.
    pub async fn top_talkers(&self, range: Range, limit: usize) -> Result<Vec<Talker>, ReadError> {
        let level = Level::Hour;
        let totals = self.pool.totals(range.widened(level.length_ms()), level, limit).await?;
        let services = self.registry.services();
        let named = |(number, volume): (i32, Volume)| {
            let service = services.iter().find(|service| service.number == number)?;
            Some(Talker { service: service.id.clone(), name: service.name.clone(), volume })
        };
        Ok(totals.into_iter().filter_map(named).collect())
    }

    /// What the store holds: its size, its rows and how far back they go.
    pub async fn holdings(&self) -> Result<Holdings, ReadError> {
        self.pool.holdings().await
    }

    /// When a service's traffic begins; `None`: nothing of it is stored. Exact
    /// while its first sample is kept, then to five minutes, then to the hour.
    pub async fn begins(&self, service: &ServiceId) -> Result<Option<Timestamp>, ReadError> {
        let services = self.services(&Scope::One(service.clone()))?;
        let number = services.first().map(|service| service.number).unwrap_or_default();
        let first_ms = self.pool.first_traffic(number).await?;
        Ok(first_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// What each interface of a service carried in a range, in whole hours.
    pub async fn interfaces(
        &self,
        service: &ServiceId,
        range: Range,
    ) -> Result<Vec<InterfaceVolume>, ReadError> {
        let services = self.services(&Scope::One(service.clone()))?;
        let number = services.first().map(|service| service.number).unwrap_or_default();
        self.pool.interfaces(number, range.widened(HOUR_MS)).await
    }

    /// Rows from which local hours and days can be cut: hours, or five minutes
    /// where the zone is not whole hours from UTC.
    async fn local_rows(
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
        let level = if hours { Level::Hour } else { Level::FiveMinutes };
        let numbers: Vec<i32> =
            self.services(scope)?.iter().map(|service| service.number).collect();
        let grouping = Grouping::of(&numbers);
        self.pool.buckets(numbers, range, level, grouping).await
    }

    /// Five minutes while they are kept, else hours. Years of five minutes are
    /// never read: hours are a twelfth of the rows.
    fn level(&self, range: Range) -> Level {
        let kept = Timestamp::now().checked_sub(self.keep_five_minutes);
        let old = kept.is_ok_and(|kept| range.from < kept);
        let length = range.to.duration_since(range.from).unsigned_abs();
        if old || length > self.keep_five_minutes { Level::Hour } else { Level::FiveMinutes }
    }

    fn services(&self, scope: &Scope) -> Result<Vec<Arc<crate::registry::Service>>, ReadError> {
        match scope {
            Scope::All => Ok(self.registry.services()),
            Scope::One(id) => {
                let unknown = || ReadError::Unknown(id.to_string());
                Ok(vec![self.registry.get(id.as_str()).ok_or_else(unknown)?])
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
