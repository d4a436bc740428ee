//! What a client subscribes to, and no more.

use std::collections::HashSet;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{inbound::shown, outbound::PendingSuback, retained::Cursor, session::Session};
use crate::{
    metrics::Refused,
    protocol::{self, Requested, reason},
    rules::Refusal,
    subscriptions::Subscription,
};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn subscribe(&mut self, packet_id: u16, filters: &[Requested<'_>]) {
        let mut codes = Vec::with_capacity(filters.len());
        let mut wanted = Vec::new();
        let (looked_at, beyond) = filters.split_at(self.looked_at(filters.len()));
        for requested in looked_at {
            match self.grant(requested) {
                Ok(wants_retained) => {
                    codes.push(requested.qos.min(1));
                    wanted.extend(wants_retained.then_some(requested.filter));
                }
                Err(refusal) => codes.push(self.refuse(requested.filter, refusal)),
            }
        }
        if let Some(first) = beyond.first() {
            codes.resize(filters.len(), self.refuse(first.filter, Refusal::TooMany));
        }
        // However often a packet names a filter: it is sent what is retained once.
        let mut seen = HashSet::new();
        wanted.retain(|filter| seen.insert(*filter));
        let subscribed = wanted.into_iter().filter_map(|filter| self.subscriptions.get(filter));
        let retained = subscribed.flat_map(Cursor::of).collect();
        self.feeds.pending.push_back(PendingSuback { packet_id, codes, retained });
        self.feeds.changed = true;
    }

    /// How many filters of one packet are looked at: it could name hundreds of
    /// thousands and keep a thread busy with them, but has no use for more
    /// than a client may subscribe to.
    fn looked_at(&self, filters: usize) -> usize {
        filters.min(self.core.config.subscriptions_per_client)
    }

    /// Counts and logs a refused filter; gives the code for it.
    fn refuse(&self, filter: &str, refusal: Refusal) -> u8 {
        self.core.counters.refuse(match refusal {
            Refusal::TooMany => Refused::Subscriptions,
            _ => Refused::Subscription,
        });
        if self.core.counters.lines.allow() {
            tracing::warn!(client = self.name(), filter = shown(filter), "subscription refused");
        }
        refusal.suback(self.version)
    }

    /// One filter: adds the subscription and tells whether to send what is
    /// retained for it.
    fn grant(&mut self, requested: &Requested<'_>) -> Result<bool, Refusal> {
        let who = self.seat.live.identity();
        let coverage = self.core.rules.subscribe(who, requested.filter)?;
        let known = self.subscriptions.get(requested.filter).is_some();
        if !known && self.subscriptions.len() >= self.core.config.subscriptions_per_client {
            return Err(Refusal::TooMany);
        }
        self.subscriptions.insert(Subscription {
            filter: requested.filter.to_owned(),
            coverage,
            qos1: requested.qos > 0,
            no_local: requested.no_local,
            retain_as_published: requested.retain_as_published,
        });
        Ok(match requested.retain_handling {
            0 => true,
            1 => !known,
            _ => false,
        })
    }

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[&str]) {
        let code = |known| if known { reason::SUCCESS } else { reason::NO_SUBSCRIPTION_EXISTED };
        let looked_at = filters.iter().take(self.looked_at(filters.len()));
        let mut codes: Vec<_> = looked_at.map(|f| code(self.subscriptions.remove(f))).collect();
        codes.resize(filters.len(), code(false));
        protocol::unsuback(&mut self.io.output, self.version, packet_id, &codes);
        self.feeds.changed = true;
    }
}
