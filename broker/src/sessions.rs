//! Who is connected: client ids, takeover, and the list of clients.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{gate::Identity, metrics::Client};

/// A client id belongs to its user: nobody takes over another's connection.
type Key = (Identity, String);

/// Why a connection is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dismissal {
    TakenOver,
    Administrative,
}

/// A connection as others see it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) number: u64,
    key: Key,
    client: Client,
    why: OnceLock<Dismissal>,
    /// Ask it to end.
    pub(crate) cancel: CancellationToken,
    /// It has ended.
    ended: CancellationToken,
}

impl Live {
    fn dismiss(&self, why: Dismissal) {
        self.why.get_or_init(|| why);
        self.cancel.cancel();
    }

    /// Why it was asked to end; `None`: the broker stops.
    pub(crate) fn dismissal(&self) -> Option<Dismissal> {
        self.why.get().copied()
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.key.0
    }
}

/// All connections by client id.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<Key, Arc<Live>>>,
    count: AtomicU64,
    /// How often somebody was dismissed; changes under the lock of `live`.
    dismissals: AtomicU64,
}

/// A connection's entry; taken off the list when dropped, whatever happens.
pub(crate) struct Seat {
    sessions: Arc<Sessions>,
    pub(crate) live: Arc<Live>,
}

impl Sessions {
    /// A number that no other connection of this broker has.
    pub(crate) fn number(&self) -> u64 {
        self.count.fetch_add(1, Relaxed) + 1
    }

    /// To be asked before a client is checked, and given to [`enter`](Self::enter).
    pub(crate) fn dismissals(&self) -> u64 {
        self.dismissals.load(SeqCst)
    }

    /// Enters a connection. An older one with the same client id is ended
    /// first, entirely, its last will included.
    ///
    /// `None`: somebody was dismissed since there were so many `dismissals`.
    /// Before it is entered [`dismiss`](Self::dismiss) does not see it, so it
    /// may be the one that was meant.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        number: u64,
        dismissals: u64,
        identity: Identity,
        client: Client,
        stop: &CancellationToken,
    ) -> Option<Seat> {
        let live = Arc::new(Live {
            number,
            key: (identity, client.client_id.clone()),
            client,
            why: OnceLock::new(),
            cancel: stop.child_token(),
            ended: CancellationToken::new(),
        });
        loop {
            let old = {
                let mut all = self.live.lock();
                if self.dismissals() != dismissals {
                    return None;
                }
                if let Some(old) = all.get(&live.key) {
                    Arc::clone(old)
                } else {
                    all.insert(live.key.clone(), Arc::clone(&live));
                    break;
                }
            };
            old.dismiss(Dismissal::TakenOver);
            old.ended.cancelled().await;
        }
        Some(Seat { sessions: Arc::clone(self), live })
    }

    /// Ends the connections of everybody who matches; says how many.
    pub(crate) fn dismiss(&self, matches: impl Fn(&Identity) -> bool) -> usize {
        let all = self.live.lock();
        self.dismissals.fetch_add(1, SeqCst);
        let dismissed = all.values().filter(|live| matches(live.identity()));
        dismissed.map(|live| live.dismiss(Dismissal::Administrative)).count()
    }

    pub(crate) fn clients(&self) -> Vec<Client> {
        self.live.lock().values().map(|live| live.client.clone()).collect()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sessions.live.lock().remove(&self.live.key);
        self.live.ended.cancel();
    }
}
