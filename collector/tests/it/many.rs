//! More rows than are read at once.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::{
    read::{ExportFormat, Range, Scope, Step},
    registry::ServiceDetails,
};
use komandorr_wire::ServiceId;

use crate::support::{Running, config};

/// Of 395 days each: together more than a million five minutes.
const SERVICES: usize = 10;

#[tokio::test]
async fn the_year_of_many_services_is_that_of_each() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    let running = Running::start(config.clone(), "Europe/Berlin")?;
    let ids: Vec<_> =
        (0..SERVICES).map(|n| ServiceId::new(&format!("web-{n}"))).collect::<Result<_, _>>()?;
    for id in &ids {
        running.registry.register(id, ServiceDetails::default())?;
    }
    running.stop().await?;
    duckdb::Connection::open(&config.path)?.execute_batch(
        "INSERT INTO five_minute_volume
         SELECT service_no, time_bucket(INTERVAL 5 MINUTE, now()::TIMESTAMP) - INTERVAL 5 MINUTE * n,
                (hash(service_no, n) % 100000)::UBIGINT, service_no, 300000, 9, service_no, 1
         FROM service, range(395 * 288) AS t (n);
         INSERT INTO hour_volume
         SELECT service_no, date_trunc('hour', bucket) AS hour, sum(up_bytes), sum(down_bytes),
                sum(covered_ms), 9, any_value(down_peak), count(*)
         FROM five_minute_volume GROUP BY service_no, hour;
         INSERT INTO day_volume
         SELECT service_no, date_trunc('day', bucket) AS day, sum(up_bytes), sum(down_bytes),
                sum(covered_ms), 9, any_value(down_peak), sum(samples)
         FROM hour_volume GROUP BY service_no, day;",
    )?;
    let running = Running::start(config, "Europe/Berlin")?;
    let now = Timestamp::now();
    let range = Range::new(now - SignedDuration::from_hours(24 * 394), now)?;
    let together = running.reader.history(&Scope::All, range, Step::Day).await?;
    let summaries = running.reader.summaries(&Scope::All, range).await?;
    assert_eq!((together.len(), summaries.len()), (SERVICES, SERVICES));
    let mut lines = 1;
    for ((id, series), (named, summary)) in ids.iter().zip(&together).zip(&summaries) {
        let alone = running.reader.history(&Scope::One(id.clone()), range, Step::Day).await?;
        assert_eq!(alone.len(), 1);
        assert_eq!((series.service.as_ref(), named), (Some(id), id));
        assert_eq!(series.points, alone[0].points, "{id}");
        assert!(series.points.len() >= 394, "{}", series.points.len());
        assert_eq!(series.summary.up_bytes, alone[0].summary.up_bytes);
        assert_eq!(summary.up_bytes, series.summary.up_bytes);
        lines += series.points.len();
    }
    let mut export = running.reader.export(&Scope::All, range, Step::Day, ExportFormat::Csv)?;
    let mut text = Vec::new();
    while let Some(piece) = export.next().await {
        text.extend_from_slice(&piece?);
    }
    assert_eq!(String::from_utf8(text)?.lines().count(), lines);
    running.stop().await
}
