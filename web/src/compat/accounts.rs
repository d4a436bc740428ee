//! The accounts of all services whose agents post, and the way of a report
//! from its account to the store.

use std::{collections::HashMap, collections::VecDeque, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use komandorr_collector::{live::KEPT_SAMPLES, read::ReadError, registry::Service};
use komandorr_wire::{HTTP_AGENT, encode};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as Turn, OwnedMutexGuard},
    time::{Instant, timeout_at},
};

use super::{
    account::{Account, Arrival, Identity, Said},
    body::Report,
};
use crate::{api::import::original_progress, publish::Published, site::Shared};

/// The agent waits 10 s for its answer; it gets one before.
const PATIENCE: Duration = Duration::from_secs(8);

/// Everything that is remembered of agents that post.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// By the store's number of the service.
    open: Mutex<HashMap<i32, Arc<Entry>>>,
    /// Tells this program's numbers from those of its former lives.
    life: u64,
}

/// One service's.
#[derive(Default)]
struct Entry {
    /// Held from a report's arrival until it is known what became of it: the
    /// next one counts from there. `None`: nothing is read yet.
    account: Arc<Turn<Option<Account>>>,
    /// The last reports in their agent's own words, oldest first.
    said: Mutex<VecDeque<Said>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self { open: Mutex::default(), life: rand::random() }
    }
}

impl Accounts {
    fn entry(&self, number: i32) -> Arc<Entry> {
        Arc::clone(self.open.lock().entry(number).or_default())
    }

    /// What an agent said last, oldest first.
    pub(super) fn said(&self, number: i32) -> Vec<Said> {
        let entry = self.open.lock().get(&number).cloned();
        entry.map(|entry| entry.said.lock().iter().copied().collect()).unwrap_or_default()
    }
}

/// Counts a report and publishes it. What is not known in time may still be
/// stored later; the reports after it wait until that is known.
pub(super) async fn take(site: &Shared, service: Arc<Service>, report: Report) -> Published {
    let arrival = Arrival { at: Instant::now(), ms: Timestamp::now().as_millisecond() };
    let deadline = arrival.at + PATIENCE;
    let late = || Published::Unavailable("the store is busy".to_owned());
    let entry = site.compat.entry(service.number);
    let turn = Arc::clone(&entry.account).lock_owned();
    let Ok(account) = timeout_at(deadline, turn).await else { return late() };
    // On its own, so that a client that goes away interrupts nothing.
    let work = publish(Arc::clone(site), service, entry, account, report, arrival);
    let answer = site.tasks.spawn(work);
    match timeout_at(deadline, answer).await {
        Ok(Ok(published)) => published,
        Ok(Err(error)) => {
            tracing::error!(%error, "taking a report did not end");
            late()
        }
        Err(_elapsed) => late(),
    }
}

async fn publish(
    site: Shared,
    service: Arc<Service>,
    entry: Arc<Entry>,
    mut account: OwnedMutexGuard<Option<Account>>,
    report: Report,
    arrival: Arrival,
) -> Published {
    let before = match account.take() {
        Some(account) => account,
        None => match restored(&site, &service).await {
            Ok(account) => account,
            Err(error) => return Published::Unavailable(error.to_string()),
        },
    };
    let repeats = site.app.publish.may_repeat();
    let name = if repeats {
        format!("{HTTP_AGENT}{:016x}-{}", site.compat.life, service.number)
    } else {
        format!("{HTTP_AGENT}original")
    };
    let identity = if repeats { Identity::Numbered(&name) } else { Identity::Plain(&name) };
    let step = before.step(&report, arrival, identity);
    let payload = encode(&step.samples).into();
    let published = site.app.publish.publish(service.id.clone(), payload).await;
    if published == Published::Stored {
        let mut said = entry.said.lock();
        said.push_back(step.said);
        if said.len() > KEPT_SAMPLES {
            said.pop_front();
        }
        *account = Some(step.account);
    } else {
        *account = Some(before);
    }
    published
}

/// The account of a service over what is stored. An import that it cannot go on
/// from without knowing which it was is asked for; most services have none.
async fn restored(site: &Shared, service: &Service) -> Result<Account, ReadError> {
    let recent = site.app.live.recent(&service.id);
    let imported = if Account::may_follow_import(&recent) {
        original_progress(site, service).await?
    } else {
        None
    };
    Ok(Account::restored(&recent, imported, Timestamp::now()))
}
