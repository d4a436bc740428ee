//! Questions about stored traffic. Every answer is exact, late samples included, as of
//! all that was acknowledged before; where that takes more than two seconds to get
//! into the tables, as of what is in them.

mod calendar;
mod export;
mod fold;
mod history;
mod imports;
mod kept;
mod past;
mod profile;
mod query;
mod question;
mod scope;
mod spans;
mod talkers;
mod tally;
mod weeks;

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use komandorr_wire::ServiceId;
use tokio::sync::Semaphore;

pub use calendar::Calendar;
pub use export::{Export, ExportFormat};
pub use fold::{Peak, Point, Summary};
pub use imports::ImportProgress;
pub(crate) use kept::KeptMinutes;
pub(crate) use past::Past;
pub use profile::{HourCell, HourProfile};
pub use query::{Holdings, InterfaceVolume, Kept};
pub use question::{MAX_POINTS, PeriodVolume, Range, ReadError, Scope, Series, Step};
pub use spans::RunningVolumes;
pub(crate) use spans::{first_days, in_spans, of_all_time};
pub use talkers::{Talker, TopTalkers};
pub use weeks::WeekReport;

use crate::{
    backup::{Backup, BackupError},
    bucket::HOUR_MS,
    journal::Journal,
    level::Level,
    live::Live,
    registry::Registry,
    store::Database,
};
use history::by_service;
use query::{Grouping, Pool};
use scope::which;

/// The reading face of the store. Cheap to clone; queries run beside the
/// writer, off the async threads.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Pool,
    registry: Arc<Registry>,
    live: Arc<Live>,
    minutes: KeptMinutes,
    keep_hours: Duration,
    database: PathBuf,
    backups: Arc<Semaphore>,
}

impl Reader {
    pub(crate) fn new(
        database: &Arc<Database>,
        journal: &Arc<Journal>,
        past: &Arc<Past>,
        registry: &Arc<Registry>,
        live: &Arc<Live>,
        (minutes, keep_hours): (KeptMinutes, Duration),
    ) -> Self {
        Self {
            pool: Pool::new(database, journal, past),
            registry: Arc::clone(registry),
            live: Arc::clone(live),
            minutes,
            keep_hours,
            database: database.path().to_owned(),
            backups: Arc::new(Semaphore::new(1)),
        }
    }

    /// The time zone in which days, weeks and months are cut.
    pub fn zone(&self) -> &TimeZone {
        self.live.zone()
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
        let level = self.level(range);
        let range = range.widened(level.length_ms());
        let which = which(scope, &services);
        let rows = self.pool.buckets(which, range, level, Grouping::of(&services)).await?;
        Ok(Summary::of(&rows, range, services.len(), now))
    }

    /// The summary of each service of a scope.
    pub async fn summaries(
        &self,
        scope: &Scope,
        range: Range,
    ) -> Result<Vec<(ServiceId, Summary)>, ReadError> {
        let services = self.services(scope)?;
        let (level, now) = (self.level(range), Timestamp::now());
        let range = range.widened(level.length_ms());
        let mut summaries = Vec::with_capacity(services.len());
        for (services, which) in self.groups(scope, &services, range, level) {
            let rows = self.rows_of_each(which, range, level).await?;
            let rows = by_service(&rows);
            summaries.extend(services.iter().map(|service| {
                let own = rows.get(&service.number).copied().unwrap_or_default();
                (service.id.clone(), Summary::of(own, range, 1, now))
            }));
        }
        Ok(summaries)
    }

    /// Volumes per hour, day, ISO week, month or year of the site's time zone,
    /// oldest first, periods without data included.
    pub async fn volumes(
        &self,
        scope: &Scope,
        range: Range,
        unit: Calendar,
    ) -> Result<Vec<PeriodVolume>, ReadError> {
        let periods = unit.periods(range, self.zone());
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
        let hours = profile::hours(weeks, now, self.zone());
        let rows = self.local_rows(scope, &hours).await?;
        Ok(HourProfile::of(&rows, &hours, self.zone()))
    }

    /// The last ISO weeks, oldest first, this one included.
    pub async fn weekly(
        &self,
        scope: &Scope,
        weeks: u32,
        now: Timestamp,
    ) -> Result<Vec<WeekReport>, ReadError> {
        let periods = weeks::last(weeks, now, self.zone());
        let services = self.services(scope)?;
        // Each week by the finest that is kept of it, however many are asked for.
        let by_hours = periods.partition_point(|&(from, _)| !self.minutes.since(from));
        let (older, newer) = periods.split_at(by_hours);
        let mut reports: Vec<WeekReport> = Vec::with_capacity(periods.len());
        let mut told = Timestamp::MIN;
        for (periods, level) in [(older, Level::Hour), (newer, Level::FiveMinutes)] {
            let (Some(&(from, _)), Some(&(_, to))) = (periods.first(), periods.last()) else {
                continue;
            };
            // Weeks begin where five minutes do, but not where hours do everywhere: the
            // last hour is of the week that it begins in, and is not told again.
            let whole = Range { from: from.max(told), to }.widened(level.length_ms());
            told = whole.to;
            let (which, grouping) = (which(scope, &services), Grouping::of(&services));
            let rows = self.pool.buckets(which, whole, level, grouping).await?;
            for ((_, rows), &(from, to)) in fold::cut(&rows, periods).zip(periods) {
                let range = Range { from, to };
                let summary = Summary::of(rows, range, services.len(), now);
                reports.push(WeekReport::of(range, summary, reports.last(), now, self.zone()));
            }
        }
        Ok(reports)
    }

    /// What the store holds: its size, its rows and how far back they go.
    pub async fn holdings(&self) -> Result<Holdings, ReadError> {
        self.pool.holdings().await
    }

    /// How many volumes of five minutes and of hours are kept in memory, because somebody
    /// has asked for them.
    pub fn volumes_in_memory(&self) -> usize {
        self.pool.past.rows()
    }

    /// Whether some more could be kept without others having to go.
    pub fn has_room_in_memory(&self) -> bool {
        self.pool.past.has_room()
    }

    /// When a service's traffic begins; `None`: nothing of it is stored. Exact
    /// while its first sample is kept, then to five minutes, then to the hour.
    pub async fn begins(&self, service: &ServiceId) -> Result<Option<Timestamp>, ReadError> {
        let services = self.services(&Scope::One(service.clone()))?;
        let number = services.first().map(|service| service.number).unwrap_or_default();
        // Known while the program runs, but not what was forgotten meanwhile.
        let kept = Timestamp::now().checked_sub(self.keep_hours).unwrap_or(Timestamp::MIN);
        let day_ms = match self.live.first_day(number) {
            Some(day_ms) if day_ms < kept.as_millisecond() => self.pool.first_day(number).await?,
            known => known,
        };
        let Some(day_ms) = day_ms else { return Ok(None) };
        let day = Timestamp::from_millisecond(day_ms).unwrap_or(Timestamp::MIN);
        let level = if self.minutes.since(day) { Level::FiveMinutes } else { Level::Hour };
        let first_ms = self.pool.first_traffic(number, day_ms, level).await?;
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

    /// A consistent copy of the whole database, as it is at this moment.
    pub async fn backup(&self) -> Result<Backup, BackupError> {
        let permit = Arc::clone(&self.backups).try_acquire_owned();
        let permit = permit.ok().ok_or(BackupError::Busy)?;
        let database = self.database.clone();
        let failed = |reason| BackupError::Failed { path: self.database.clone(), reason };
        let made = self.pool.run(move |connection| Ok(Backup::make(connection, &database, permit)));
        made.await.map_err(|error| failed(error.to_string()))?
    }
}
