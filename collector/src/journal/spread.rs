//! From the journal to the tables.

use std::collections::HashSet;

use duckdb::{Connection, Row, types::Type};

use super::{append::append, entry::Entry, latest::keep_latest};
use crate::store::{Lane, transaction};

/// Bytes of the journal that are spread in one transaction: bounds its memory.
const AT_ONCE: usize = 8 << 20;
/// Samples that are gathered before those are left out that need not be kept.
const MANY_SAMPLES: usize = 50_000;

/// Batches that were taken from the journal.
#[derive(Debug, Default)]
pub(super) struct Taken {
    together: Entry<'static>,
    /// Number of the last of them.
    pub(super) last: u64,
    bytes: usize,
}

/// Spreads all that the journal holds, as it was left by a process that was
/// killed.
pub(crate) fn spread_all(lane: &Lane, keep: usize) -> duckdb::Result<()> {
    while let Some(mut taken) = lane.with(|connection| take(connection, u64::MAX, keep))? {
        store(lane, &mut taken)?;
        tracing::debug!(bytes = taken.bytes, "spread what the last run had acknowledged");
    }
    Ok(())
}

/// Looks at each batch that the journal holds.
pub(super) fn each_waiting(
    connection: &Connection,
    mut look: impl FnMut(&Entry<'_>),
) -> duckdb::Result<()> {
    let mut statement = connection.prepare("SELECT entry FROM journal")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        look(&decoded(row, 0)?);
    }
    Ok(())
}

/// Reads the first batches up to a number; `None`: there are none.
pub(super) fn take(
    connection: &Connection,
    until: u64,
    keep: usize,
) -> duckdb::Result<Option<Taken>> {
    let mut statement = connection
        .prepare("SELECT number, entry FROM journal WHERE number <= ? ORDER BY number")?;
    let mut rows = statement.query([until])?;
    let (mut taken, mut many) = (Taken::default(), MANY_SAMPLES);
    while let Some(row) = rows.next()? {
        taken.together.add(decoded(row, 1)?);
        taken.last = row.get(0)?;
        taken.bytes += row.get_ref(1)?.as_blob().map_or(0, <[u8]>::len);
        if taken.together.samples.len() >= many {
            keep_latest(&mut taken.together.samples, keep);
            // Of many services all may be worth keeping: the next look is far off.
            many = MANY_SAMPLES.max(2 * taken.together.samples.len());
        }
        if taken.bytes >= AT_ONCE {
            break;
        }
    }
    taken.together.condense(keep);
    Ok((taken.last > 0).then_some(taken))
}

/// Puts batches into the tables and takes them out of the journal. Where an
/// error leaves in doubt whether that has happened, the next one takes what the
/// journal holds then.
pub(super) fn store(lane: &Lane, taken: &mut Taken) -> duckdb::Result<()> {
    let _rewriting = (!taken.together.forgotten.is_empty()).then(|| lane.rewriting());
    lane.with(|connection| {
        transaction(connection, |connection| {
            leave_out_removed(connection, &mut taken.together)?;
            append(connection, &taken.together)?;
            connection.execute("DELETE FROM journal WHERE number <= ?", [taken.last]).map(drop)
        })
    })
}

/// Leaves out what came for services that were removed meanwhile, and the
/// numbers of their agents.
fn leave_out_removed(connection: &Connection, entry: &mut Entry<'_>) -> duckdb::Result<()> {
    let registered = numbers(connection, "SELECT service_no FROM service")?;
    if entry.volumes.keys().all(|key| registered.contains(&key.0)) {
        return Ok(());
    }
    entry.samples.retain(|sample| registered.contains(&sample.service_no));
    entry.volumes.to_mut().retain(|key, _| registered.contains(&key.0));
    entry.interfaces.to_mut().retain(|key, _| registered.contains(&key.0));
    entry.import_marks.to_mut().retain(|mark| registered.contains(&mark.service_no));
    entry.own.to_mut().retain(|(service_no, _)| registered.contains(service_no));
    entry.agents.to_mut().retain(|(_, _, service_no)| registered.contains(service_no));
    let mut agents = numbers(connection, "SELECT agent_no FROM agent")?;
    agents.extend(entry.agents.iter().map(|agent| agent.0));
    entry.ranges.to_mut().retain(|range| agents.contains(&range.0));
    Ok(())
}

fn numbers(connection: &Connection, sql: &str) -> duckdb::Result<HashSet<i32>> {
    let mut statement = connection.prepare(sql)?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    numbers.collect()
}

/// The batch in a column.
fn decoded(row: &Row<'_>, at: usize) -> duckdb::Result<Entry<'static>> {
    let entry = row.get_ref(at)?;
    let unreadable = |error| duckdb::Error::FromSqlConversionFailure(at, Type::Blob, error);
    let bytes = entry.as_blob().map_err(|error| unreadable(Box::new(error)))?;
    Entry::decode(bytes).map_err(|error| unreadable(Box::new(error)))
}
