//! What a client is sent of what is retained: presence and notices.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{outbound::Outgoing, session::Session};
use crate::{
    core::Core, fanout::feed::Kind, retained::Presence, rules::Scope, subscriptions::Subscription,
};

/// Most retained messages that are fetched at once.
const AT_ONCE: usize = 64;

/// Whether changes of one kind are news to this client.
#[derive(Debug, Default)]
pub(super) struct News {
    feed: Feed,
    /// Changes up to this one are not news any more: they were in the
    /// retained messages.
    since: u64,
}

/// Whether a kind's feed is among the subscriptions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Feed {
    #[default]
    Absent,
    /// Not confirmed yet: what it brings before that is in the retained
    /// messages already.
    Fresh,
    Known,
}

impl News {
    pub(super) fn wanted(&mut self, wanted: bool) {
        self.feed = match (wanted, self.feed) {
            (false, _) => Feed::Absent,
            (true, Feed::Absent) => Feed::Fresh,
            (true, known) => known,
        };
    }

    /// The feed is in effect from this change on.
    fn begin(&mut self, version: u64) {
        if self.feed == Feed::Fresh {
            *self = Self { feed: Feed::Known, since: version };
        }
    }

    /// Of a message that is no change of anything retained the version is 0.
    pub(super) fn is_new(&self, version: u64) -> bool {
        version == 0 || version > self.since
    }
}

/// Retained messages that a subscription still has to get: all after `last`.
pub(super) struct Cursor {
    of: Retained,
    qos1: bool,
    last: Option<String>,
}

enum Retained {
    Presence(Scope),
    /// By their filter.
    Notices(String),
}

impl Cursor {
    /// Those of a subscription.
    pub(super) fn of(subscription: &Subscription) -> impl Iterator<Item = Self> + use<> {
        let coverage = &subscription.coverage;
        let presence = Some(coverage.status.clone()).filter(|scope| *scope != Scope::Nothing);
        let notices = coverage.notices.then(|| subscription.filter.clone());
        let qos1 = subscription.qos1;
        let both =
            presence.map(Retained::Presence).into_iter().chain(notices.map(Retained::Notices));
        both.map(move |of| Self { of, qos1, last: None })
    }

    /// The next ones, each with what names it, and its payload.
    fn next(&self, core: &Core, n: usize) -> Vec<(Arc<str>, Bytes)> {
        let last = self.last.as_deref();
        match &self.of {
            Retained::Presence(scope) => {
                let found = core.retained.after(last, scope, n).into_iter();
                let text = |presence: Presence| presence.as_str().as_bytes();
                found.map(|(id, p)| (id.as_str().into(), Bytes::from_static(text(p)))).collect()
            }
            Retained::Notices(filter) => core.notices.after(last, filter, n),
        }
    }

    fn kind(&self) -> Kind {
        match self.of {
            Retained::Presence(_) => Kind::Status,
            Retained::Notices(_) => Kind::Notice,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// The subscriptions are in effect: what comes from now on is news. After
    /// a router's death everything retained is said again.
    pub(super) fn begin_news(&mut self) {
        let versions = [0, self.core.retained.version(), self.core.notices.version()];
        for (news, version) in self.feeds.news.iter_mut().zip(versions) {
            news.begin(version);
        }
        if std::mem::take(&mut self.feeds.heal) {
            self.inflight.retained.extend(self.subscriptions.iter().flat_map(Cursor::of));
        }
    }

    /// Sends retained messages as fast as the client takes them.
    pub(super) fn send_retained(&mut self) {
        while self.has_outgoing_room() {
            let Some(mut cursor) = self.inflight.retained.pop_front() else { return };
            let inflight = self.inflight.ids.len();
            let n = self.inflight.limit.saturating_sub(inflight).min(AT_ONCE);
            let found = cursor.next(&self.core, n);
            for (name, payload) in &found {
                self.send(&Outgoing {
                    kind: cursor.kind(),
                    name,
                    payload,
                    qos1: cursor.qos1,
                    retain: true,
                });
            }
            if let Some((last, _)) = found.into_iter().next_back() {
                cursor.last = Some(last.as_ref().to_owned());
                self.inflight.retained.push_front(cursor);
            }
        }
    }
}
