//! The journal on a real database.

use std::sync::Arc;

use komandorr_wire::{AgentSeq, Sample};

use super::*;
use crate::{
    batch::Batcher,
    stats::Stats,
    store::{Database, Lane},
};

const NOON_MS: i64 = 1_795_435_200_000;

struct Desk {
    _folder: tempfile::TempDir,
    lane: Lane,
    journal: Arc<Journal>,
    spreader: Spreader,
    batcher: Batcher,
}

impl Desk {
    /// A database with the services 1 and 2.
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("journal.duckdb"))?;
        let journal = Arc::new(Journal::default());
        let spreader = Spreader {
            lane: database.lane(),
            log: database.log(),
            journal: Arc::clone(&journal),
            keep: 1000,
            spread: Arc::default(),
        };
        let lane = database.lane();
        lane.with(|connection| {
            connection.execute_batch(
                "INSERT INTO service (service_no, id, name, created_at)
                 SELECT nextval('service_no'), 'host-' || n, '', now()::TIMESTAMP
                 FROM range(2) AS t (n)",
            )
        })?;
        Ok(Self { _folder: folder, lane, journal, spreader, batcher: Batcher::default() })
    }

    /// Commits a batch of one sample of so many bytes.
    fn write(&mut self, service_no: i32, seq: u64, up: u64) -> anyhow::Result<()> {
        let mut batch = Batch::default();
        let agent = Some(AgentSeq { agent: "a".into(), seq: Some(seq) });
        let sample =
            Sample { up, interval_ms: 1000, ended_ms: Some(NOON_MS), agent, ..Sample::default() };
        self.batcher.add(&mut batch, service_no, [sample], NOON_MS);
        let entry = encode(&batch, 1000)?;
        let number = self.journal.next_number();
        self.lane.with(|connection| write(connection, number, &entry))?;
        self.journal.wrote(entry.len());
        Ok(())
    }

    fn run(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.lane.with(|connection| connection.execute_batch(sql))?)
    }

    fn one(&self, sql: &str) -> anyhow::Result<i64> {
        let sql = format!("SELECT coalesce(({sql}), 0)::BIGINT");
        Ok(self.lane.with(|connection| connection.query_row(&sql, [], |row| row.get(0)))?)
    }

    /// Rows of the journal, and bytes in the tables.
    fn holds(&self) -> anyhow::Result<(i64, i64)> {
        let bytes = self.one("SELECT sum(up_bytes) FROM recent_volume")?;
        assert_eq!(self.one("SELECT sum(up_bytes) FROM sample")?, bytes);
        Ok((self.one("SELECT count(*) FROM journal")?, bytes))
    }
}

#[test]
fn each_batch_gets_into_the_tables_once() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    desk.write(2, 1, 20)?;
    assert_eq!(desk.holds()?, (2, 0));
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (0, 30));
    desk.write(1, 2, 40)?;
    assert!(desk.spreader.spread_now());
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (0, 70));
    // The same five minutes of one spreading are one part.
    assert_eq!(desk.one("SELECT count(*) FROM recent_volume")?, 3);
    assert_eq!(desk.one("SELECT sum(last_seq - first_seq + 1) FROM stored_range")?, 3);
    let own = "SELECT count(DISTINCT service_no) FROM own_traffic
               WHERE epoch_ms(since) = 1795435199000";
    assert_eq!(desk.one(own)?, 2);
    assert_eq!(desk.one("SELECT count(*) FROM own_traffic")?, 2);
    Ok(())
}

#[test]
fn what_a_killed_process_left_is_spread_by_the_next() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    desk.write(1, 2, 20)?;
    spread_all(&desk.lane, 1)?;
    assert_eq!(desk.one("SELECT sum(up_bytes) FROM recent_volume")?, 30);
    assert_eq!(desk.one("SELECT count(*) FROM journal")?, 0);
    assert_eq!(desk.one("SELECT count(*) FROM sample")?, 1);
    spread_all(&desk.lane, 1)?;
    assert_eq!(desk.one("SELECT sum(up_bytes) FROM recent_volume")?, 30);
    Ok(())
}

#[test]
fn a_batch_of_which_nobody_knows_waits_until_it_is_known() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    // Committed, but whoever committed it was told of an error.
    desk.run("INSERT INTO journal SELECT number + 1, entry FROM journal")?;
    assert!(desk.lane.with(|connection| holds(connection, 2))?);
    assert!(!desk.lane.with(|connection| holds(connection, 3))?);
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (1, 10));
    desk.journal.wrote(1);
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (0, 20));
    Ok(())
}

#[test]
fn what_came_for_a_removed_service_is_left_out() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    desk.write(2, 1, 20)?;
    desk.run("DELETE FROM service WHERE service_no = 1")?;
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (0, 20));
    assert_eq!(desk.one("SELECT count(*) FROM agent")?, 1);
    assert_eq!(desk.one("SELECT sum(service_no) FROM own_traffic")?, 2);
    assert_eq!(desk.one("SELECT count(*) FROM stored_range SEMI JOIN agent USING (agent_no)")?, 1);
    assert_eq!(desk.one("SELECT count(*) FROM stored_range")?, 1);
    Ok(())
}

#[tokio::test]
async fn where_spreading_fails_nothing_is_lost_and_room_runs_out() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    desk.run("ALTER TABLE recent_volume RENAME TO elsewhere")?;
    assert!(!desk.spreader.spread_now());
    // Nothing of the transaction has happened.
    assert_eq!(desk.one("SELECT count(*) FROM sample")?, 0);
    assert_eq!(desk.one("SELECT count(*) FROM journal")?, 1);
    // Readers get the older answer at once, and small batches go on.
    assert!(!desk.journal.caught_up().await);
    let stats = Stats::new(Arc::clone(&desk.journal));
    let problem = stats.problem().unwrap_or_default();
    assert!(problem.contains("recent_volume"), "{problem}");
    assert_eq!(desk.journal.room().await, Ok(()));
    desk.write(1, 2, 20)?;
    desk.journal.state.send_modify(|state| state.bytes += MOST_BYTES);
    // It is tried again without further delay.
    timeout(SPREAD_EVERY / 2, desk.journal.due()).await?;
    let reason = desk.journal.room().await.err().unwrap_or_default();
    assert!(reason.contains("recent_volume"), "{reason}");
    desk.run("ALTER TABLE elsewhere RENAME TO recent_volume")?;
    assert!(desk.spreader.spread_now());
    assert_eq!(desk.holds()?, (0, 30));
    assert_eq!(stats.problem(), None);
    desk.journal.state.send_modify(|state| state.bytes -= MOST_BYTES);
    assert_eq!(desk.journal.state.borrow().bytes, 0);
    assert_eq!(desk.journal.room().await, Ok(()));
    Ok(())
}

#[tokio::test]
async fn whoever_reads_waits_for_what_is_acknowledged() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    assert!(desk.journal.caught_up().await);
    desk.write(1, 1, 10)?;
    let (journal, spreader) = (Arc::clone(&desk.journal), &desk.spreader);
    let spreading = async {
        // Long before it would be time.
        timeout(SPREAD_EVERY / 2, journal.due()).await?;
        assert!(spreader.spread_now());
        anyhow::Ok(())
    };
    let (caught_up, spread) = tokio::join!(journal.caught_up(), spreading);
    spread?;
    assert!(caught_up);
    assert_eq!(desk.holds()?, (0, 10));
    Ok(())
}

#[tokio::test]
async fn whoever_waits_for_a_spreader_that_is_gone_is_told() -> anyhow::Result<()> {
    let mut desk = Desk::new()?;
    desk.write(1, 1, 10)?;
    let Desk { journal, spreader, .. } = desk;
    journal.state.send_modify(|state| state.bytes += MOST_BYTES);
    drop(spreader);
    assert!(!journal.caught_up().await);
    assert!(journal.room().await.is_err());
    Ok(())
}
