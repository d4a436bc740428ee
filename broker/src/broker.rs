//! The broker's handle: doors are opened with it, and it is asked and stopped.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use komandorr_config::{Impossible, guesses::SlowDown};
use komandorr_wire::{Delivery, Outcome, ServiceId};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    config::Config,
    connection,
    core::Core,
    fanout::{self, Envelope, Fanout, feed::Kind},
    gate::{Door, Gatekeeper, Identity, Transport},
    intake::Intake,
    listen,
    metrics::{Counters, Metrics},
    notices::{Change, Notices},
    retained::Retained,
    rules::Rules,
    tls::Tls,
};

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that makes no sense.
    #[error("limits.{0}")]
    Config(#[from] Impossible),
    /// The system gave no thread.
    #[error("the message router's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// A message could not be stored: the store is gone or the broker stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message was not stored: the store is not available")]
pub struct NotStored;

/// The embedded broker. Clones are handles to the same one.
#[derive(Clone)]
pub struct Broker {
    core: Arc<Core>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("config", &self.core.config).finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts the broker, without any door yet. Must be called within a tokio
    /// runtime.
    ///
    /// `deliveries` takes every accepted publish to a traffic topic, and its
    /// capacity is how many reads of connections may wait for the store. When
    /// `stop` is cancelled all connections are closed; to lose no
    /// acknowledgement, stop in this order: [`drain`](Self::drain), let the
    /// store settle what it has, cancel `stop`, await
    /// [`closed`](Self::closed).
    pub fn start(
        config: Config,
        gatekeeper: Arc<dyn Gatekeeper>,
        deliveries: mpsc::Sender<Delivery>,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        config.check()?;
        let counters = Arc::new(Counters::new());
        let tasks = TaskTracker::new();
        let settings = fanout::Settings {
            backlog: usize::try_from(config.subscriber_backlog).unwrap_or(usize::MAX),
            links: config.connections,
        };
        let fanout = Fanout::start(settings, Arc::clone(&counters), &tasks, &stop)
            .map_err(StartError::Thread)?;
        let core = Core {
            gatekeeper,
            intake: Intake::new(deliveries, config.unacknowledged_bytes),
            fanout,
            retained: Retained::new(config.retained),
            notices: Notices::default(),
            rules: Rules::new(config.discovery_prefix.as_deref()),
            sessions: Arc::default(),
            admission: Arc::new(Admission::new(&config)),
            large: Arc::new(Semaphore::new(connection::LARGE_PACKETS)),
            slow_down: SlowDown::new(config.wrong_password_delay),
            counters,
            draining: stop.child_token(),
            stop,
            tasks,
            config,
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// Serves plain MQTT on a bound listener until the broker drains or stops;
    /// the listener is closed then.
    pub async fn serve_tcp(&self, listener: TcpListener, door: Door) {
        let door = Door { transport: Transport::Tcp, ..door };
        listen::accept(&self.core, listener, door, None).await;
    }

    /// Serves MQTT over TLS on a bound listener until the broker drains or
    /// stops; the listener is closed then. The certificate is loaded again when its files change.
    pub async fn serve_tls(&self, listener: TcpListener, door: Door, tls: Tls) {
        let door = Door { transport: Transport::Tls, ..door };
        let reload = tls.clone().follow_files();
        let accept = listen::accept(&self.core, listener, door, Some(tls));
        tokio::select! {
            () = accept => {}
            () = reload => {}
        }
    }

    /// Serves one client over any byte stream, such as a WebSocket's messages
    /// in a row, until its connection ends.
    pub async fn serve_stream<S>(&self, stream: S, peer: SocketAddr, door: Door)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if self.core.draining.is_cancelled() {
            return;
        }
        match self.core.admission.enter(peer.ip()) {
            Ok(place) => {
                let core = Arc::clone(&self.core);
                let serve = connection::serve(core, stream, door, peer, place);
                self.core.tasks.track_future(serve).await;
            }
            Err(why) => listen::turn_away(&self.core, peer, why),
        }
    }

    /// Publishes a payload as if a trusted client had sent it with `QoS` 1:
    /// returns when the store has taken or refused it. Subscribers get it too.
    ///
    /// Does not ask the gatekeeper: the caller has.
    pub async fn publish(&self, service: ServiceId, payload: Bytes) -> Result<Outcome, NotStored> {
        let copy = Envelope::new(Kind::Traffic, &service, &payload, (true, false), (0, 0));
        let outcome = self.core.submit(service, copy.payload());
        // Counted and copied only when it is on its way.
        let answer = outcome.await.ok_or(NotStored)?;
        if self.core.fanout.is_wanted(Kind::Traffic) {
            self.core.fanout.publish([copy]);
        }
        let stopped = self.core.stop.run_until_cancelled(answer).await;
        stopped.and_then(Result::ok).ok_or(NotStored)
    }

    /// Puts these retained messages of the server itself in the place of the
    /// ones before: what is new or different goes out, and what is missing is
    /// cleared. Their topics are `komandorr/state/<service>` and what is below
    /// [`Config::discovery_prefix`]; nobody could subscribe to others.
    pub fn set_notices(&self, notices: BTreeMap<String, Bytes>) {
        let changes = self.core.notices.replace(notices);
        if self.core.fanout.is_wanted(Kind::Notice) {
            let copy = |change: Change| {
                let from = (0, change.version);
                Envelope::notice(&change.topic, &change.payload, (true, true), from)
            };
            self.core.fanout.publish(changes.into_iter().map(copy));
        }
    }

    /// The services whose status is known, retained.
    pub fn with_status(&self) -> Vec<ServiceId> {
        self.core.retained.services()
    }

    /// Forgets the status of a service that is no more, and tells subscribers.
    pub fn clear_status(&self, service: &ServiceId) {
        self.core.clear_status(service);
    }

    /// Ends the connections of everybody who matches, for instance of a
    /// service that has been deleted; says how many.
    pub fn disconnect(&self, matches: impl Fn(&Identity) -> bool) -> usize {
        self.core.sessions.dismiss(matches)
    }

    /// The figures now.
    pub fn metrics(&self) -> Metrics {
        let core = &self.core;
        Metrics {
            unacknowledged_bytes: core.intake.waiting_bytes(),
            retained: core.retained.len(),
            clients: core.sessions.clients(),
            ..core.counters.snapshot()
        }
    }

    /// Whether publishers and subscribers are being served.
    pub fn is_healthy(&self) -> bool {
        !self.core.stop.is_cancelled()
            && !self.core.intake.deliveries.is_closed()
            && self.core.fanout.is_healthy()
    }

    /// Takes nothing more from publishers and accepts nobody more, while
    /// acknowledgements of what the store still settles go out. Once this
    /// returns, no delivery enters the channel any more.
    pub fn drain(&self) {
        self.core.intake.close();
        self.core.draining.cancel();
    }

    /// Waits until every connection has ended: within a second after `stop`.
    pub async fn closed(&self) {
        self.core.tasks.close();
        self.core.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests;
