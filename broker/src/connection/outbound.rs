//! What a client is sent: messages it subscribed to, and retained ones.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use futures_util::future::BoxFuture;
use komandorr_wire::topic;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    retained::{Cursor, News},
    session::{OUTPUT_HIGH, Session},
};
use crate::{
    fanout::{
        Envelope, Interest, Link, LinkEvent,
        feed::{ByKind, Kind},
    },
    protocol::{self, Delivered},
};

/// The connection's way to the router.
#[derive(Default)]
pub(super) enum LinkState {
    /// It has no subscription.
    #[default]
    Closed,
    Opening(BoxFuture<'static, Link>),
    Open(Box<Link>),
}

/// The subscriptions as the router knows them.
#[derive(Default)]
pub(super) struct Feeds {
    pub(super) link: LinkState,
    pub(super) interest: Option<Interest>,
    /// Subscriptions have changed and the router does not know yet.
    pub(super) changed: bool,
    /// SUBACKs that wait until the router knows.
    pub(super) pending: VecDeque<PendingSuback>,
    pub(super) news: ByKind<News>,
    /// A router died: what it swallowed is made up for by retained messages.
    pub(super) heal: bool,
    number: u16,
    /// The change that the router has not confirmed yet.
    outstanding: Option<u16>,
}

/// A SUBACK that is owed, and what follows it.
pub(super) struct PendingSuback {
    pub(super) packet_id: u16,
    pub(super) codes: Vec<u8>,
    pub(super) retained: Vec<Cursor>,
}

/// Messages of `QoS` 1 under way to the client, and what it still has to get
/// of the retained ones. No session outlives its connection, so nothing is
/// sent twice.
pub(super) struct Inflight {
    /// The packet id given last.
    pub(super) last: u16,
    pub(super) ids: HashSet<u16>,
    pub(super) limit: usize,
    /// The largest packet that the client takes.
    pub(super) largest: usize,
    pub(super) retained: VecDeque<Cursor>,
}

impl Inflight {
    /// A packet id that is not in use.
    fn packet_id(&mut self) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if self.ids.insert(self.last) {
                return self.last;
            }
        }
    }
}

/// A message to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) kind: Kind,
    /// The service; of a notice the whole topic.
    pub(super) name: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) qos1: bool,
    pub(super) retain: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Whether a live message may be taken from the router.
    pub(super) fn has_room(&self) -> bool {
        self.inflight.retained.is_empty() && self.has_outgoing_room()
    }

    pub(super) fn has_outgoing_room(&self) -> bool {
        self.io.output.len() < OUTPUT_HIGH && self.inflight.ids.len() < self.inflight.limit
    }

    /// Tells the router what this connection wants now.
    pub(super) async fn update_feeds(&mut self) {
        self.feeds.changed = false;
        let kinds = self.subscriptions.kinds();
        // The new interest begins before the old one ends.
        self.feeds.interest = Some(self.core.fanout.want(kinds));
        let wanted = self.subscriptions.feeds();
        for (news, wanted) in self.feeds.news.iter_mut().zip(kinds) {
            news.wanted(wanted);
        }
        match &mut self.feeds.link {
            LinkState::Closed if wanted.is_empty() => {}
            LinkState::Opening(_) => return,
            LinkState::Closed => return self.reopen(),
            LinkState::Open(_) if wanted.is_empty() => self.feeds.link = LinkState::Closed,
            LinkState::Open(link) => {
                let number = self.feeds.number.wrapping_add(1);
                match link.subscribe(&wanted, number).await {
                    Ok(true) => {
                        self.feeds.number = number;
                        self.feeds.outstanding = Some(number);
                        return;
                    }
                    Ok(false) if self.feeds.outstanding.is_some() => return,
                    Ok(false) => {}
                    Err(_gone) => return self.router_gone(),
                }
            }
        }
        self.feeds.outstanding = None;
        self.confirm();
    }

    /// The router died: takes a link to its successor. The client notices
    /// nothing but, perhaps, a gap.
    pub(super) fn router_gone(&mut self) {
        self.feeds.heal = true;
        self.reopen();
    }

    /// Takes a link to the router that is alive, or to the next one that is.
    fn reopen(&mut self) {
        let fanout = Arc::clone(&self.core.fanout);
        self.feeds.outstanding = None;
        self.feeds.link = LinkState::Opening(Box::pin(async move { fanout.open().await }));
    }

    /// The subscriptions are in effect: says so, and sends what is retained.
    fn confirm(&mut self) {
        self.begin_news();
        while let Some(suback) = self.feeds.pending.pop_front() {
            let PendingSuback { packet_id, codes, retained } = suback;
            protocol::suback(&mut self.io.output, self.version, packet_id, &codes);
            self.inflight.retained.extend(retained);
        }
        // Each has one for presence and one for notices at most.
        let most = self.core.config.subscriptions_per_client.saturating_mul(2);
        while self.inflight.retained.len() > most {
            self.inflight.retained.pop_front();
        }
    }

    /// Something came from the router: takes that, and what else is there.
    pub(super) fn take_from_router(&mut self, event: LinkEvent) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            match event {
                LinkEvent::Message(bytes) => self.deliver(&bytes),
                LinkEvent::Subscribed(number) if self.feeds.outstanding == Some(number) => {
                    self.feeds.outstanding = None;
                    self.confirm();
                }
                LinkEvent::Subscribed(_) | LinkEvent::Nothing => {}
            }
            if !self.has_room() {
                break;
            }
            let LinkState::Open(link) = &mut self.feeds.link else { break };
            match link.next_now() {
                Ok(event) => next = event,
                Err(_gone) => return self.router_gone(),
            }
        }
        if let LinkState::Open(link) = &mut self.feeds.link {
            self.core.counters.lost.fetch_add(link.lost(), Relaxed);
        }
    }

    fn deliver(&mut self, bytes: &[u8]) {
        let Some(message) = Envelope::open(bytes) else { return };
        if !self.feeds.news.get(message.kind as usize).is_some_and(|n| n.is_new(message.version)) {
            return;
        }
        let own = message.origin == self.seat.live.number;
        let Some(grant) = self.subscriptions.grant(message.kind, message.name, own) else {
            return;
        };
        self.send(&Outgoing {
            kind: message.kind,
            name: message.name,
            payload: message.payload,
            qos1: grant.qos1 && message.qos1,
            retain: grant.retain_as_published && message.retain,
        });
    }

    pub(super) fn send(&mut self, message: &Outgoing<'_>) {
        let prefix = match message.kind {
            Kind::Traffic => topic::ALL_TRAFFIC,
            Kind::Status => topic::ALL_STATUS,
            Kind::Notice => "",
        };
        let packet_id = message.qos1.then(|| self.inflight.packet_id());
        let before = self.io.output.len();
        let delivered = Delivered {
            topic: (prefix.trim_end_matches('+'), message.name),
            payload: message.payload,
            packet_id,
            retain: message.retain,
        };
        let len = protocol::publish(&mut self.io.output, self.version, &delivered);
        if len > self.inflight.largest {
            // A client of MQTT 5 must not be sent more than it takes: the
            // message is dropped as if it had been delivered.
            self.io.output.truncate(before);
            packet_id.map(|id| self.inflight.ids.remove(&id));
            return;
        }
        self.core.counters.delivered.fetch_add(1, Relaxed);
    }
}
