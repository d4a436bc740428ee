//! The loop of a connection that has been let in.

use std::{
    collections::{HashSet, VecDeque},
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::BoxFuture;
use komandorr_wire::{Delivery, ServiceId};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc::OwnedPermit},
    time::{Instant, sleep_until},
};

use super::{
    end::End,
    io::{Io, Progress},
    large::Large,
    outbound::{Feeds, Inflight, LinkState},
};
use crate::{
    admission::Place,
    core::Core,
    fanout::{Link, LinkEvent, RouterGone},
    gate::Door,
    intake::Window,
    metrics::{Held, OpenConnection},
    protocol::{self, Version, reason},
    rules::Target,
    sessions::Seat,
    subscriptions::Subscriptions,
};

/// A last will that may be published.
#[derive(Debug, Clone)]
pub(super) struct LastWill {
    pub(super) target: Target,
    pub(super) payload: Vec<u8>,
    pub(super) qos1: bool,
    pub(super) retain: bool,
}

/// What keeps a connection's publishes from going on.
#[derive(Default)]
pub(super) enum Waiting {
    #[default]
    Nothing,
    /// Too many bytes wait for the store.
    Budget(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
    /// Too many deliveries wait for the store.
    Store(BoxFuture<'static, Option<OwnedPermit<Delivery>>>),
    /// Too many connections hold much of a large packet.
    Large(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
}

/// Messages for a subscriber that wait to be written, in bytes: beyond it
/// nothing more is taken from the router.
pub(super) const OUTPUT_HIGH: usize = 64 * 1024;

pub(crate) struct Session<S> {
    pub(super) core: Arc<Core>,
    pub(super) io: Io<S>,
    pub(super) version: Version,
    pub(super) seat: Seat,
    pub(super) will: Option<LastWill>,
    pub(super) window: Window,
    pub(super) waiting: Waiting,
    /// A share of the budget for the next publish.
    pub(super) credit: Option<OwnedSemaphorePermit>,
    pub(super) subscriptions: Subscriptions,
    pub(super) feeds: Feeds,
    pub(super) inflight: Inflight,
    pub(super) draining: bool,
    /// The service to whose traffic topic it was allowed to publish last.
    pub(super) usual: Option<ServiceId>,
    /// As many messages wait for the store as may.
    full: bool,
    /// More has been read than one delivery takes: it comes first.
    pub(super) more: bool,
    pub(super) large: Option<Large>,
    pub(super) last_packet: Instant,
    patience: Duration,
    _open: OpenConnection,
    _place: Place,
}

/// What can happen to a connection.
enum Event {
    Io(std::io::Result<Progress>),
    Settled,
    Link(Result<LinkEvent, RouterGone>),
    Linked(Box<Link>),
    Budget(Option<OwnedSemaphorePermit>),
    Place(Option<OwnedPermit<Delivery>>),
    Large(Option<OwnedSemaphorePermit>),
    Clock,
    Draining,
    Dismissed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    #[expect(clippy::too_many_arguments, reason = "everything that the handshake found out")]
    pub(super) fn new(
        core: &Arc<Core>,
        io: Io<S>,
        version: Version,
        door: Door,
        (seat, place): (Seat, Place),
        will: Option<LastWill>,
        keep_alive: u16,
        (receive_maximum, maximum_packet_size): (u16, u32),
    ) -> Self {
        let inflight = receive_maximum.min(core.config.inflight_per_subscriber);
        Self {
            core: Arc::clone(core),
            io,
            version,
            seat,
            will,
            window: Window::default(),
            waiting: Waiting::Nothing,
            credit: None,
            subscriptions: Subscriptions::default(),
            feeds: Feeds::default(),
            inflight: Inflight {
                last: 0,
                ids: HashSet::new(),
                limit: usize::from(inflight),
                largest: usize::try_from(maximum_packet_size).unwrap_or(usize::MAX),
                retained: VecDeque::new(),
            },
            draining: false,
            usual: None,
            full: false,
            more: false,
            large: None,
            last_packet: Instant::now(),
            patience: Duration::from_millis(u64::from(keep_alive) * 1500),
            _open: OpenConnection::count(&core.counters, door.transport, version),
            _place: place,
        }
    }

    /// Serves the client; tells why it ended.
    pub(super) async fn run(&mut self) -> End {
        let core = Arc::clone(&self.core);
        let live = Arc::clone(&self.seat.live);
        let mut clock = pin!(sleep_until(Instant::now()));
        let mut draining = pin!(core.draining.cancelled());
        let mut dismissed = pin!(live.cancel.cancelled());
        loop {
            if let Err(end) = self.advance().await {
                return end;
            }
            let deadline = self.deadline();
            if deadline < clock.deadline() || clock.is_elapsed() {
                clock.as_mut().reset(deadline);
            }
            self.count_held();
            let reading = self.has_window();
            let listening = self.has_room();
            let Self { io, window, waiting, feeds, draining: drains, more, .. } = self;
            let event = tokio::select! {
                progress = io.progress(reading && !*more) => Event::Io(progress),
                () = window.slot.wake.notified() => Event::Settled,
                event = feeds.next(), if listening && feeds.is_active() => event,
                event = wait(waiting), if !matches!(waiting, Waiting::Nothing) => event,
                () = clock.as_mut() => Event::Clock,
                () = draining.as_mut(), if !*drains => Event::Draining,
                () = dismissed.as_mut() => Event::Dismissed,
            };
            if let Err(end) = self.react(event, reading) {
                return end;
            }
        }
    }

    /// Everything that can be done without waiting for anybody.
    async fn advance(&mut self) -> Result<(), End> {
        self.acknowledge()?;
        self.take_packets()?;
        self.make_room();
        self.hand_over()?;
        if self.feeds.changed {
            self.update_feeds().await;
        }
        self.send_retained();
        Ok(())
    }

    fn react(&mut self, event: Event, was_reading: bool) -> Result<(), End> {
        match event {
            Event::Io(Ok(Progress::End)) => return Err(End::Closed),
            Event::Io(progress) => {
                progress?;
            }
            Event::Settled => {}
            Event::Link(Ok(event)) => self.take_from_router(event),
            Event::Link(Err(RouterGone)) => self.router_gone(),
            Event::Linked(link) => {
                self.feeds.link = LinkState::Open(link);
                self.feeds.changed = true;
            }
            Event::Budget(None) | Event::Place(None) if self.draining => {
                self.waiting = Waiting::Nothing;
            }
            Event::Budget(permit) => {
                self.waiting = Waiting::Nothing;
                self.credit = Some(permit.ok_or(End::StoreGone)?);
            }
            Event::Place(place) => {
                self.waiting = Waiting::Nothing;
                self.core.intake.hand_over(place.ok_or(End::StoreGone)?, &mut self.window);
            }
            Event::Large(place) => {
                self.waiting = Waiting::Nothing;
                self.large = place.map(|place| Large::new(place, self.io.input.len()));
            }
            Event::Clock => self.check_clock(was_reading)?,
            Event::Draining => self.draining = true,
            Event::Dismissed => {
                // What has been stored is said before the end.
                self.acknowledge()?;
                return Err(End::dismissed(self.seat.live.dismissal()));
            }
        }
        if !was_reading {
            // While we do not read, silence is not the client's.
            self.last_packet = Instant::now();
            if let Some(large) = &mut self.large {
                large.since = self.last_packet;
            }
        }
        Ok(())
    }

    /// PUBACKs for everything that has been stored meanwhile.
    fn acknowledge(&mut self) -> Result<(), End> {
        // One moment for all of them: asking for the time costs more than the rest.
        let mut now = None;
        while let Some(due) = self.window.due() {
            let counters = &self.core.counters;
            if let Some(since) = due.since {
                let now = now.get_or_insert_with(std::time::Instant::now);
                counters.acknowledged(now.saturating_duration_since(since));
            }
            let code = due.reason.unwrap_or_else(|| {
                counters.payloads_refused.fetch_add(1, Relaxed);
                reason::PAYLOAD_FORMAT_INVALID
            });
            protocol::puback(&mut self.io.output, self.version, due.packet_id, code);
        }
        // While the broker drains, the store goes in good order: whoever was
        // left unacknowledged is told so with the others.
        if self.window.is_lost() && !self.draining { Err(End::StoreGone) } else { Ok(()) }
    }

    /// Whether publishes may be taken.
    pub(super) fn has_window(&self) -> bool {
        matches!(self.waiting, Waiting::Nothing)
            && !self.draining
            && self.window.unacknowledged()
                < usize::from(self.core.config.unacknowledged_per_client)
            && self.io.output.len() < OUTPUT_HIGH
    }

    /// Counts each time that the client has used its window up.
    fn count_held(&mut self) {
        let limit = usize::from(self.core.config.unacknowledged_per_client);
        let full = self.window.unacknowledged() >= limit;
        if full && !self.full {
            self.core.counters.hold(Held::Client);
        }
        self.full = full;
    }

    fn deadline(&self) -> Instant {
        let silent = self.last_packet + self.patience;
        let stands = [self.io.stalled, self.large.as_ref().map(|large| large.since)];
        let patience = self.core.config.write_timeout;
        stands.into_iter().flatten().map(|since| since + patience).fold(silent, Instant::min)
    }

    fn check_clock(&self, was_reading: bool) -> Result<(), End> {
        let now = Instant::now();
        let stalled = self.io.stalled.map(|since| now.saturating_duration_since(since));
        if stalled.is_some_and(|time| time >= self.core.config.write_timeout) {
            return Err(End::WriteTimeout);
        }
        if was_reading && now.saturating_duration_since(self.last_packet) >= self.patience {
            return Err(End::KeepAlive);
        }
        let halfway = self.large.as_ref().map(|large| now.saturating_duration_since(large.since));
        if was_reading && halfway.is_some_and(|time| time >= self.core.config.write_timeout) {
            return Err(End::Halfway);
        }
        Ok(())
    }

    /// The one and only end: subscriptions and will first, then the seat, so
    /// that a successor with the same client id begins after all of it.
    pub(super) async fn leave(self, end: &End) -> (Io<S>, Version) {
        let Self { core, io, version, seat, will, feeds, mut window, .. } = self;
        drop(feeds);
        if window.batched() > 0 && end.leaves_messages() {
            // Sent just before DISCONNECT and accepted: they are not dropped
            // because their sender does not wait. Without a successor in the
            // same seat there is nobody to hold up.
            let reserve = core.intake.deliveries.clone().reserve_owned();
            if let Some(Ok(place)) = seat.live.cancel.run_until_cancelled(reserve).await {
                core.intake.hand_over(place, &mut window);
            }
        }
        if let Some(will) = will.filter(|_| end.leaves_will()) {
            let who = (seat.live.number, seat.live.identity());
            let flags = (will.qos1, will.retain);
            core.publish_will(who, will.target, &will.payload, flags).await;
        }
        drop(seat);
        (io, version)
    }
}

impl<S> Session<S> {
    /// Whom it serves, for the log.
    pub(super) fn name(&self) -> String {
        self.seat.live.identity().to_string()
    }
}

async fn wait(waiting: &mut Waiting) -> Event {
    match waiting {
        Waiting::Nothing => std::future::pending().await,
        Waiting::Budget(permit) => Event::Budget(permit.await),
        Waiting::Store(place) => Event::Place(place.await),
        Waiting::Large(place) => Event::Large(place.await),
    }
}

impl Feeds {
    fn is_active(&self) -> bool {
        !matches!(self.link, LinkState::Closed)
    }

    async fn next(&mut self) -> Event {
        match &mut self.link {
            LinkState::Closed => std::future::pending().await,
            LinkState::Opening(link) => Event::Linked(Box::new(link.await)),
            LinkState::Open(link) => Event::Link(link.next().await),
        }
    }
}
