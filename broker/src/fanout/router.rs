//! One router thread and the way to open links to it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use rumqttd::{
    Router, RouterConfig, SegmentConfig,
    local::{LinkBuilder, LinkRx, LinkTx},
    protocol::{Disconnect, DisconnectReasonCode, Packet},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    feed::{self, Feed},
    link::Link,
    panics,
};

/// What a router is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Bytes kept for lagging subscribers, per log.
    pub(crate) backlog: usize,
    /// Links at once: every connection may have one.
    pub(crate) links: usize,
}

/// The router's inbox holds 1000 events and `send` blocks beyond that: leave
/// room for everybody who looks at the same moment.
const INBOX_NEARLY_FULL: usize = 900;
/// In how many pieces a log forgets its oldest messages.
const SEGMENTS: usize = 8;
/// Less rumqttd does not take, in bytes.
const SMALLEST_SEGMENT: usize = 1024;
/// Messages that one link is given at once.
const LINK_BATCH: u64 = 100;
/// Links that are not connections: the carrier, the probe, and the one that
/// ends the router.
const OWN_LINKS: usize = 4;

/// Routers of this process, counted: their threads need different names.
static ROUTERS: AtomicUsize = AtomicUsize::new(0);

/// One router from its start to its end.
pub(crate) struct Generation {
    name: String,
    // `rumqttd::router::Event` cannot be named outside its crate, so the
    // sender to the router lives in closures.
    alive: Box<dyn Fn() -> bool + Send + Sync>,
    inbox: Box<dyn Fn() -> usize + Send + Sync>,
    desk: mpsc::Sender<Request>,
    desk_thread: thread::JoinHandle<()>,
    /// Cancelled when a successor has taken over.
    pub(super) gone: CancellationToken,
}

/// What the thread at the desk is asked for; both may block there.
pub(super) enum Request {
    Open(oneshot::Sender<Line>),
    Close(LinkTx, usize),
    /// Ends the router.
    Stop,
    /// How many slots are in use?
    #[cfg(test)]
    Count(mpsc::Sender<usize>),
}

/// A connection to the router, in its slot. Goes back to the desk wherever it
/// is dropped, be it on the way to a client that has left.
pub(super) struct Line {
    /// `None`: not ours any more.
    pub(super) tx: Option<LinkTx>,
    pub(super) rx: LinkRx,
    slot: usize,
    desk: mpsc::Sender<Request>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(tx) = self.tx.take() else { return };
        if self.desk.send(Request::Close(tx, self.slot)).is_err() {
            // It took its router's links with it.
            tracing::trace!("the desk was gone before a link to its router");
        }
    }
}

type OpenLink = Box<dyn Fn(&str) -> Option<(LinkTx, LinkRx)> + Send>;

impl Generation {
    pub(super) fn start(settings: Settings) -> std::io::Result<Self> {
        let number = ROUTERS.fetch_add(1, Relaxed);
        let places = settings.links.saturating_add(OWN_LINKS);
        let config = RouterConfig {
            max_connections: places,
            max_outgoing_packet_count: LINK_BATCH,
            max_segment_size: (settings.backlog / SEGMENTS).max(SMALLEST_SEGMENT),
            max_segment_count: SEGMENTS,
            custom_segment: Some(smaller_logs(settings.backlog)),
            ..RouterConfig::default()
        };
        let events = Router::new(number, config).spawn();
        let (alive, inbox) = (events.clone(), events.clone());
        let open: OpenLink = Box::new(move |id| {
            let link = LinkBuilder::new(id, events.clone()).build().ok();
            link.map(|(tx, rx, _welcome)| (tx, rx))
        });
        let (desk, requests) = mpsc::channel();
        let name = format!("router-{number}");
        let (router, to_desk) = (name.clone(), desk.clone());
        let desk_thread =
            thread::Builder::new().name(format!("links-{number}")).spawn(move || {
                // One place is kept to end the router with.
                keep_desk(places - 1, &open, &to_desk, &requests);
                end(&router, &open);
            })?;
        Ok(Self {
            name,
            alive: Box::new(move || !alive.is_disconnected()),
            inbox: Box::new(move || inbox.len()),
            desk,
            desk_thread,
            gone: CancellationToken::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_alive(&self) -> bool {
        (self.alive)() && !self.desk_thread.is_finished() && !self.gone.is_cancelled()
    }

    pub(super) fn is_crowded(&self) -> bool {
        (self.inbox)() >= INBOX_NEARLY_FULL
    }

    /// `None`: this router is dead, or is replaced before it answers.
    pub(super) async fn open(this: &Arc<Self>) -> Option<Link> {
        if !this.is_alive() {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        this.ask(Request::Open(reply));
        let line = this.gone.run_until_cancelled(answer).await?.ok()?;
        Some(Link::new(line, Arc::clone(this)))
    }

    /// Asks the desk; a desk that is gone took its router's links with it.
    pub(super) fn ask(&self, request: Request) {
        if self.desk.send(request).is_err() {
            tracing::debug!(router = self.name, "the router is gone already");
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.ask(Request::Stop);
    }
}

/// The parts of traffic share one backlog among them; presence, being short,
/// gets no more than a part.
fn smaller_logs(backlog: usize) -> HashMap<String, SegmentConfig> {
    let max_segment_size = (backlog / SEGMENTS / usize::from(feed::PARTS)).max(SMALLEST_SEGMENT);
    let log = SegmentConfig { max_segment_size, max_segment_count: SEGMENTS };
    let parts = (0..feed::PARTS).map(Feed::Part).chain([Feed::Status, Feed::Probe]);
    parts.map(|feed| (feed.filter().to_owned(), log.clone())).collect()
}

/// Opens and closes links, one after the other: a slot's name is free again
/// only after the router has been told that its last user left. Returns when
/// the router is of no more use.
fn keep_desk(
    places: usize,
    open: &OpenLink,
    desk: &mpsc::Sender<Request>,
    requests: &mpsc::Receiver<Request>,
) {
    let mut free: Vec<usize> = Vec::new();
    let mut used = 0;
    for request in requests {
        match request {
            Request::Open(reply) => {
                let slot = free.pop().unwrap_or_else(|| {
                    used += 1;
                    used
                });
                let opened = if slot > places { None } else { open(&format!("c{slot}")) };
                let Some((tx, rx)) = opened else { return };
                let line = Line { tx: Some(tx), rx, slot, desk: desk.clone() };
                if let Err(mut line) = reply.send(line)
                    && let Some(tx) = line.tx.take()
                {
                    // Closed here and now: who comes next may need its place.
                    leave(tx);
                    free.push(slot);
                }
            }
            Request::Close(tx, slot) => {
                leave(tx);
                free.push(slot);
            }
            Request::Stop => return,
            #[cfg(test)]
            Request::Count(reply) => reply.send(used - free.len()).unwrap(),
        }
    }
}

/// Says goodbye: always the last packet on a link.
fn leave(mut tx: LinkTx) {
    let reason_code = DisconnectReasonCode::NormalDisconnection;
    tx.buffer().push_back(Packet::Disconnect(Disconnect { reason_code }, None));
    // The empty publish only carries the signal; the router stops reading at
    // the goodbye. It blocks while the inbox is full, which is why it is here.
    if tx.publish("x", "").is_err() {
        tracing::trace!("the router was gone before the goodbye");
    }
}

/// Ends the router: "ready" from a link that has said goodbye makes its thread
/// panic, which frees everything.
fn end(router: &str, open: &OpenLink) {
    let Some((tx, rx)) = open("end") else { return };
    panics::expect(router);
    leave(tx);
    if rx.ready().is_err() {
        tracing::trace!("the router was gone before its end");
    }
}
