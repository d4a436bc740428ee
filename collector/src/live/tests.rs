//! The live state of a registry on a real database.

use komandorr_wire::{AgentSeq, Sample};

use super::*;
use crate::{batch::Batcher, registry::ServiceDetails, store::Database};

#[test]
fn a_removed_service_stays_in_memory_no_longer_than_its_last_batch() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("live.duckdb"))?;
    let registry = Arc::new(Registry::load(database.lane(), Arc::default())?);
    let live = Live::new(Arc::clone(&registry), TimeZone::UTC);
    let (gone, stays) = (ServiceId::new("gone")?, ServiceId::new("stays")?);
    let [gone_no, stays_no] = [&gone, &stays]
        .map(|id| registry.register(id, ServiceDetails::default()).map(|s| s.number));
    let (gone_no, stays_no) = (gone_no?, stays_no?);
    let mut batcher = Batcher::default();
    let mut commit = |numbers: &[i32]| {
        let mut batch = Batch::default();
        for &number in numbers {
            let sample = Sample { up: 1, interval_ms: 1000, ..Sample::default() };
            batcher.add(&mut batch, number, [sample], Timestamp::now().as_millisecond());
        }
        live.apply(&batch, Timestamp::now(), None);
        live.state.read().services.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(commit(&[gone_no, stays_no]), [gone_no, stays_no]);
    registry.remove(&gone)?;
    assert_eq!(commit(&[stays_no]), [stays_no]);
    // Taken before the removal, and committed after that one.
    assert_eq!(commit(&[gone_no, stays_no]), [stays_no]);
    assert_eq!(commit(&[gone_no]), [stays_no]);
    Ok(())
}

#[test]
fn what_came_while_the_clock_was_ahead_is_not_the_last_for_ever() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("live.duckdb"))?;
    let registry = Arc::new(Registry::load(database.lane(), Arc::default())?);
    let live = Live::new(Arc::clone(&registry), TimeZone::UTC);
    let id = ServiceId::new("web-1")?;
    let number = registry.register(&id, ServiceDetails::default())?.number;
    let mut batcher = Batcher::default();
    let mut state_after = |agent: &str, arrived: &str, up, now: &str| -> anyhow::Result<_> {
        let mut batch = Batch::default();
        let agent = Some(AgentSeq { agent: agent.into(), seq: None });
        let sample = Sample { up, agent, interval_ms: 1000, ..Sample::default() };
        let arrived: Timestamp = arrived.parse()?;
        batcher.add(&mut batch, number, [sample], arrived.as_millisecond());
        live.apply(&batch, arrived, None);
        let now = now.parse()?;
        let seen: Vec<_> =
            live.agents(&id, now).iter().map(|agent| agent.last_seen.to_string()).collect();
        let current = live.one(&id, now).ok_or_else(|| anyhow::anyhow!("registered"))?;
        Ok((current.state, current.up_bytes_per_second, live.recent(&id).len(), seen.join(" ")))
    };
    let (ahead, right) = ("2031-01-01T00:00:00Z", "2026-11-24T12:00:00Z");
    // Set back, but nothing has come since.
    for agent in ["a", "gone"] {
        let stale = state_after(agent, ahead, 9000, right)?;
        assert_eq!((stale.0, stale.1, stale.3), (State::Silent, Some(0), String::new()));
    }
    let fresh = state_after("a", right, 7000, right)?;
    assert_eq!(fresh, (State::Live, Some(7000), 1, right.to_owned()));
    Ok(())
}

#[test]
fn what_a_day_has_moved_is_read_until_that_succeeds() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("live.duckdb"))?;
    let live = Live::new(Arc::new(Registry::load(database.lane(), Arc::default())?), TimeZone::UTC);
    let now: Timestamp = "2026-11-24T12:00:00Z".parse()?;
    let spans = live.begun(now).ok_or_else(|| anyhow::anyhow!("another day"))?;
    live.apply(&Batch::default(), now, Some((spans, None)));
    assert_eq!(live.begun(now), Some(spans));
    live.apply(&Batch::default(), now, Some((spans, Some(SpanVolumes::default()))));
    assert_eq!(live.begun(now), None);
    Ok(())
}
