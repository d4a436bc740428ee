//! Outages of every kind, with a server that acknowledges what it stored.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use komandorr_wire::MAX_SAMPLES_PER_PAYLOAD;

use crate::{
    broker::{Answer, Arrived, Broker},
    support::{Agent, Counters, Store, config, until},
};

/// A counter of this test's own clock: 1 s apart.
fn store(broker: &Broker) -> Store {
    let mut store = Store::default();
    broker.stored().into_iter().for_each(|samples| store.add(samples));
    store
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_after_a_restart() -> Result<()> {
    let state = tempfile::tempdir()?;
    let counters = Counters::default();
    let deaf = Broker::start(|_, _| Answer::Wait).await?;
    let agent = Agent::start(config(&deaf.url, state.path())?, &counters);
    until("two samples", || {
        counters.add(1000, 10);
        deaf.arrived().iter().filter(|a| matches!(a, Arrived::Samples(..))).count() >= 2
    })
    .await?;
    agent.kill().await;
    counters.add(5, 5);
    let broker = Broker::start(|_, _| Answer::Store).await?;
    let agent = Agent::start(config(&broker.url, state.path())?, &counters);
    until("both and the gap", || store(&broker).len() >= 3).await?;
    counters.add(7, 7);
    agent.stop().await?;
    let stored = store(&broker);
    assert!(stored.is_whole(), "{stored:?}");
    let (up, down) = stored.sums();
    let last = stored.samples().last().cloned().unwrap_or_default();
    assert_eq!((last.up_total, last.down_total), (Some(up), Some(down)));
    assert!(stored.samples().any(|sample| sample.gap), "the restart is marked");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_answer_costs_nothing() -> Result<()> {
    let state = tempfile::tempdir()?;
    let counters = Counters::default();
    let mut count = 0;
    let broker = Broker::start(move |_, _| {
        count += 1;
        if count % 3 == 1 { Answer::StoreAndHangUp } else { Answer::Store }
    })
    .await?;
    let agent = Agent::start(config(&broker.url, state.path())?, &counters);
    until("the baseline", || counters.reads() >= 1).await?;
    counters.add(1_000_000, 5);
    until("samples after three breaks", || {
        counters.add(100, 1);
        store(&broker).len() >= 5
    })
    .await?;
    agent.stop().await?;
    let stored = store(&broker);
    assert!(stored.is_whole());
    let last = stored.samples().last().cloned().unwrap_or_default();
    assert_eq!(Some(stored.sums().0), last.up_total);
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_the_status_and_no_sample_is_tried_ever_later() -> Result<()> {
    let state = tempfile::tempdir()?;
    let tried = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tried);
    let broker = Broker::start(move |_, _| {
        if let Ok(mut seen) = seen.lock() {
            seen.push(Instant::now());
        }
        Answer::HangUp
    })
    .await?;
    let moments = || tried.lock().map(|all| all.clone()).unwrap_or_default();
    let agent = Agent::start(config(&broker.url, state.path())?, &Counters::default());
    until("four connections", || moments().len() >= 4).await?;
    let moments = moments();
    let online = Arrived::Status("online".to_owned());
    assert!(broker.arrived().iter().filter(|arrived| **arrived == online).count() >= 4);
    // The third pause is 2 to 4 s; were the status a success, each would be 1 s at
    // the most.
    let third = moments[3] - moments[2];
    assert!(third >= Duration::from_secs(2), "{third:?}");
    agent.kill().await;
    Ok(())
}

#[tokio::test]
async fn a_night_offline_comes_in_arrays_behind_the_newest_sample() -> Result<()> {
    const NIGHT: usize = 2500;
    let state = tempfile::tempdir()?;
    let backlog = crate::support::backlog(state.path(), NIGHT)?;
    let counters = Counters::default();
    counters.add(backlog, 0);
    let arrays = Arc::new(AtomicUsize::new(0));
    let open = Arc::new(AtomicBool::new(false));
    let (seen, gate) = (Arc::clone(&arrays), Arc::clone(&open));
    // The first array is not answered before later live samples have come.
    let broker = Broker::start(move |_, samples| match samples.len() {
        1 => Answer::Store,
        _ if gate.load(Ordering::SeqCst) => Answer::Store,
        _ => {
            seen.fetch_add(1, Ordering::SeqCst);
            Answer::Wait
        }
    })
    .await?;
    let agent = Agent::start(config(&broker.url, state.path())?, &counters);
    until("live samples beside waiting arrays", || {
        broker.stored().len() >= 3 && arrays.load(Ordering::SeqCst) > 0
    })
    .await?;
    let first = broker.arrived().into_iter().find_map(|arrived| match arrived {
        Arrived::Samples(samples, _) => Some(samples),
        Arrived::Status(_) => None,
    });
    let first = first.unwrap_or_default();
    assert_eq!(first.len(), 1, "the newest sample comes before the arrays");
    assert!(first.iter().all(|s| s.agent.as_ref().and_then(|a| a.seq) > Some(NIGHT as u64)));
    agent.kill().await;
    open.store(true, Ordering::SeqCst);
    let agent = Agent::start(config(&broker.url, state.path())?, &counters);
    until("the whole night", || store(&broker).len() >= NIGHT + 3).await?;
    agent.stop().await?;
    let stored = store(&broker);
    assert!(stored.is_whole());
    assert_eq!(stored.sums().0, backlog);
    assert!(broker.stored().iter().all(|samples| samples.len() <= MAX_SAMPLES_PER_PAYLOAD));
    assert!(broker.stored().iter().any(|samples| samples.len() > 100));
    Ok(())
}

#[tokio::test]
async fn one_refused_sample_does_not_take_its_array_with_it() -> Result<()> {
    let state = tempfile::tempdir()?;
    let backlog = crate::support::backlog(state.path(), 20)?;
    let counters = Counters::default();
    counters.add(backlog, 0);
    let bad = |samples: &[komandorr_wire::Sample]| {
        samples.iter().any(|s| s.agent.as_ref().and_then(|a| a.seq) == Some(13))
    };
    let broker =
        Broker::start(move |_, samples| if bad(samples) { Answer::Refuse } else { Answer::Store })
            .await?;
    let agent = Agent::start(config(&broker.url, state.path())?, &counters);
    until("all but one", || store(&broker).len() >= 21).await?;
    agent.stop().await?;
    let seqs: Vec<u64> =
        store(&broker).samples().filter_map(|sample| sample.agent.as_ref()?.seq).collect();
    assert!(!seqs.contains(&13));
    assert_eq!(seqs.iter().copied().filter(|&seq| seq <= 20).count(), 19);
    Ok(())
}
