//! What the store holds, taken up at the start: stored ranges, volumes, the
//! last samples, and from when services report by themselves.

use std::collections::HashMap;

use duckdb::{Connection, params};
use jiff::Timestamp;
use komandorr_wire::{AgentSeq, HTTP_AGENT, IMPORT_AGENT, Origin, Sample};

use crate::{
    batch::{Batcher, FUTURE_TOLERANCE_MS, Row},
    live::{KEPT_SAMPLES, Live, Spans, StoredVolumes},
    ranges::RangeSet,
    read::{self, KeptMinutes},
};

/// Fills the live state, and gives a batcher that knows what is stored.
pub(crate) fn restore(
    connection: &Connection,
    live: &Live,
    minutes: KeptMinutes,
) -> duckdb::Result<Batcher> {
    let now = Timestamp::now();
    let spans = Spans::around(now, live.zone());
    let running = read::in_spans(connection, spans, minutes)?;
    let first_days = read::first_days(connection)?;
    let totals = read::of_all_time(connection)?.into_iter();
    let volumes = totals.map(|(service_no, total)| {
        let (today, month) = running.get(&service_no).copied().unwrap_or_default();
        let first_ms = first_days.get(&service_no).copied();
        (service_no, StoredVolumes { total, today, month, first_ms })
    });
    live.restore(spans, volumes);
    for row in last_samples(connection, now)? {
        live.restore_sample(&row);
    }
    let mut batcher = batcher(connection)?;
    for (service_no, since_ms) in own_traffic(connection)? {
        live.restore_own(service_no, since_ms);
        batcher.restore_own(service_no, since_ms);
    }
    Ok(batcher)
}

/// From when each service reports by itself.
fn own_traffic(connection: &Connection) -> duckdb::Result<Vec<(i32, i64)>> {
    let mut statement = connection.prepare(
        "SELECT service_no, epoch_ms(min(since)) FROM own_traffic
         SEMI JOIN service USING (service_no) GROUP BY service_no",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn batcher(connection: &Connection) -> duckdb::Result<Batcher> {
    let mut stored: HashMap<i32, Vec<(u64, u64)>> = HashMap::new();
    let mut statement =
        connection.prepare("SELECT agent_no, first_seq, last_seq FROM stored_range")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        stored.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    let mut batcher = Batcher::default();
    let mut statement = connection.prepare("SELECT agent_no, identity, service_no FROM agent")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let ranges = RangeSet::from_ranges(stored.remove(&number).unwrap_or_default());
        batcher.restore(number, &row.get::<_, String>(1)?, row.get(2)?, ranges);
    }
    // Left by agents that are gone: who got such a number would inherit them.
    for number in stored.into_keys() {
        batcher.skip_number(number);
    }
    Ok(batcher)
}

fn last_samples(connection: &Connection, now: Timestamp) -> duckdb::Result<Vec<Row>> {
    let latest_ms = now.as_millisecond().saturating_add(FUTURE_TOLERANCE_MS);
    let mut statement = connection.prepare(include_str!("sql/last_samples.sql"))?;
    let parameters = params![KEPT_SAMPLES as u64, latest_ms, IMPORT_AGENT, HTTP_AGENT];
    let rows = statement.query_map(parameters, |row| {
        let ended_ms = row.get(2)?;
        let identity: Option<String> = row.get(13)?;
        Ok(Row {
            origin: identity.as_deref().map(Origin::of_identity).unwrap_or_default(),
            service_no: row.get(0)?,
            agent_no: row.get(1)?,
            ended_ms,
            // When it arrived is not kept; its end is as good as we know.
            arrived_ms: ended_ms,
            clock_corrected: row.get(10)?,
            sample: Sample {
                interval_ms: row.get(3)?,
                up: row.get(4)?,
                down: row.get(5)?,
                capacity: row.get(6)?,
                cpu_percent: row.get(7)?,
                memory_percent: row.get(8)?,
                gap: row.get(9)?,
                up_total: row.get(11)?,
                down_total: row.get(12)?,
                ended_ms: Some(ended_ms),
                agent: identity.map(|agent| AgentSeq { agent: agent.into(), seq: None }),
                ..Sample::default()
            },
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    #[test]
    fn of_later_than_now_only_the_last_sample_is_taken_up() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("restore.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO agent (agent_no, identity, service_no)
             VALUES (4, 'spool', 1), (5, 'http:original', 2);
             INSERT INTO sample BY NAME
             SELECT 1 + n % 2 AS service_no, if(n % 2 = 1, 5, NULL) AS agent_no,
                 1000 AS interval_ms, n AS up_bytes, 0 AS down_bytes, 12.3 AS cpu_percent,
                 false AS gap, false AS clock_corrected,
                 TIMESTAMP '2026-11-24 12:00:00' + INTERVAL 1 MINUTE * n AS ended_at
             FROM range(300) AS t (n)",
        )?;
        let rows = last_samples(&connection, "2026-11-24T14:00:00Z".parse()?)?;
        let of = |service: i32| rows.iter().filter(move |row| row.service_no == service);
        let told = |service| {
            let bytes: Vec<_> = of(service).map(|row| row.sample.up).collect();
            (bytes.len(), bytes.iter().rev().take(2).copied().collect::<Vec<_>>())
        };
        assert_eq!(told(1), (62, vec![298, 120]));
        assert_eq!(told(2), (61, vec![299, 119]));
        let agents = |service| {
            of(service).all(|row| {
                (row.agent_no, row.origin)
                    == match service {
                        1 => (Some(4), Origin::Agent),
                        _ => (Some(5), Origin::Http),
                    }
            })
        };
        assert!(agents(1) && agents(2));
        assert!(rows.iter().all(|row| row.sample.cpu_percent == Some(12.3)));
        Ok(())
    }
}
