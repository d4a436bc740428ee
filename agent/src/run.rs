//! The agent's loop: reads, stores, publishes, until it is told to stop.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use anyhow::Context;
use komandorr_wire::topic;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::{Config, LONGEST_INTERVAL, allowed_interval},
    meter::Meter,
    notify::Notify,
    sender::Sender,
    source::Source,
    spool::{Newest, Run, Spool},
    trouble_log::TroubleLog,
    uplink::{Access, Event, Step, Uplink},
};

/// Events of the connection that may wait while the disk is written.
const EVENTS: usize = 64;
/// From this interval on a sample is on the disk itself before it is
/// published; below it the disk is synced less often than samples are made.
const HASTY_BELOW: Duration = Duration::from_secs(5);
/// For the last sample to be acknowledged at a stop.
const LAST_SAMPLE: Duration = Duration::from_millis(2500);
/// For `offline` to be acknowledged, and the connection to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs an agent until `stop`, within which time it reads `source`, stores
/// samples and publishes them. Ends by itself only when it cannot start.
pub async fn run(
    config: Config,
    source: Box<dyn Source>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    run_notifying(config, source, stop, Notify::nobody()).await
}

/// As [`run`], and tells the service manager.
pub async fn run_notifying(
    config: Config,
    source: Box<dyn Source>,
    stop: CancellationToken,
    notify: Notify,
) -> anyhow::Result<()> {
    allowed_interval(config.interval).map_err(anyhow::Error::msg)?;
    let meter = Meter::new(&config, source)?;
    let hasty = config.interval < HASTY_BELOW;
    let run = Run { boot: meter.boot(), hasty };
    let spool = Spool::open(&config.state_dir, config.limits, run)?;
    meter.ensure_sensible(spool.ledger())?;
    let access = Access::new(&config, spool.agent())?;
    let (sender, events) = mpsc::channel(EVENTS);
    let hang_up = CancellationToken::new();
    let mut connection = JoinSet::new();
    connection.spawn(Uplink::new(access, sender).run(hang_up.clone()));
    let mut agent = Agent {
        meter,
        spool,
        sender: Sender::default(),
        events,
        troubles: TroubleLog::default(),
        hasty,
        accepted: false,
        notify,
    };
    tracing::info!(service = %config.service, url = %config.url, agent = agent.spool.agent(), waiting = agent.spool.waiting().len(), "agent started");
    agent.turn(config.interval, &stop).await;
    let ended = agent.end().await;
    hang_up.cancel();
    while connection.join_next().await.is_some() {}
    ended
}

struct Agent {
    meter: Meter,
    spool: Spool,
    sender: Sender,
    events: mpsc::Receiver<Event>,
    troubles: TroubleLog,
    hasty: bool,
    /// The server has taken samples on this connection, or would.
    accepted: bool,
    notify: Notify,
}

impl Agent {
    /// Turns until `stop`.
    async fn turn(&mut self, interval: Duration, stop: &CancellationToken) {
        // The first reading: the baseline of a new state, or what passed
        // while no agent ran.
        self.tick().await;
        self.notify.ready();
        let mut ticks = tokio::time::interval_at(
            Instant::now() + phase(self.spool.agent(), interval),
            interval,
        );
        // After a stall one sample covers it; a burst of empty ones would not.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let every = self.notify.every();
        let mut watchdog = tokio::time::interval(every.unwrap_or(LONGEST_INTERVAL));
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.tick().await,
                _ = watchdog.tick() => self.notify.alive(),
                Some(event) = self.events.recv() => self.event(event),
            }
        }
    }

    /// Measures, stores, and publishes one sample.
    async fn tick(&mut self) {
        match self.store().await {
            Ok(()) => self.troubles.over("storage"),
            // Nothing is lost: the counters go on, and the next sample covers
            // what this one could not.
            Err(error) => self.troubles.report("storage", &format!("{error:#}")),
        }
    }

    async fn store(&mut self) -> anyhow::Result<()> {
        let measured = self.meter.measure(self.spool.ledger());
        let measured = measured.context("cannot read the interfaces' counters")?;
        let Some(measured) = measured else { return Ok(()) };
        let Self { meter, spool, .. } = self;
        let appended = spool
            .append(&measured.step, |agent| meter.sample(&measured, agent))
            .context("cannot write to the spool; the next sample will cover this one")?;
        meter.stored();
        for (samples, why) in [
            (appended.dropped.full, "the spool is full"),
            (appended.dropped.old, "the server has been away for longer than samples are kept"),
        ] {
            if samples > 0 {
                let since_the_beginning = spool.dropped();
                tracing::error!(samples, since_the_beginning, "{why}: the oldest are dropped");
            }
        }
        if self.hasty {
            self.publish(appended.newest)?;
            self.sync().await
        } else {
            self.sync().await?;
            self.publish(appended.newest)
        }
    }

    /// Sends a stored sample, and what waits as far as there is room.
    fn publish(&mut self, newest: Option<Newest>) -> anyhow::Result<()> {
        let sent = self.sender.stored(newest, &mut self.spool);
        sent.context("cannot read what waits back from the spool")
    }

    /// Syncs the disk when that is due, off this thread: it may take long.
    async fn sync(&mut self) -> anyhow::Result<()> {
        let due = self.spool.due_for_sync(clock::boot_ms()).context("cannot sync the spool")?;
        let Some(file) = due else { return Ok(()) };
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        synced.context("cannot sync the spool")?.context("cannot sync the spool")
    }

    fn event(&mut self, event: Event) {
        let done = match event {
            Event::Connected(link) => self.sender.connected(link, &mut self.spool),
            Event::Stored(id) => {
                if self.sender.carries_samples(id) || self.spool.waiting().is_empty() {
                    self.accepted();
                }
                self.sender.acknowledged(id, &mut self.spool)
            }
            Event::Refused(id) => self.sender.refused(id, &mut self.spool),
            Event::Lost(trouble) => {
                self.sender.lost();
                self.accepted = false;
                self.notify.status(&trouble.text);
                // Between two agents of one identity each connection works for a while.
                let rival = trouble.step == Step::Rival;
                self.troubles.report(if rival { "identity" } else { "connection" }, &trouble.text);
                Ok(())
            }
        };
        match done {
            Ok(()) => self.troubles.over("reading"),
            Err(error) => {
                self.troubles.report("reading", &format!("cannot read the spool back: {error}"));
            }
        }
    }

    /// The server takes what is sent: said once a connection, and not when it
    /// is made, because a server may let in and then refuse. The status shows it
    /// only where no sample waits to show it.
    fn accepted(&mut self) {
        if !self.accepted {
            self.accepted = true;
            self.troubles.over("connection");
            self.notify.status("connected");
            tracing::info!(waiting = self.spool.waiting().len(), "connected");
        }
    }

    /// One last sample, then the farewell.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.notify.stopping();
        self.tick().await;
        self.until(LAST_SAMPLE, |agent| agent.spool.waiting().is_empty()).await;
        self.sender.status(topic::OFFLINE);
        self.until(FAREWELL, |agent| !agent.sender.is_waiting()).await;
        self.sender.disconnect();
        self.until(FAREWELL, |_| false).await;
        let total = self.spool.ledger().total;
        tracing::info!(
            waiting = self.spool.waiting().len(),
            seq = self.spool.seq(),
            up_total = total.up,
            down_total = total.down,
            "agent stopped"
        );
        self.spool.close().context("cannot write the last state to the spool")
    }

    /// Handles events until something is so, the connection is gone, or time
    /// is over.
    async fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while self.sender.is_connected() && !done(self) {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(Event::Lost(_))) => self.sender.lost(),
                Ok(Some(event)) => self.event(event),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// When within an interval an agent reads: its own moment, so that a fleet
/// that was started at once does not send at once. Never right at the start,
/// where there is nothing to tell yet.
fn phase(agent: &str, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    agent.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 700).unwrap_or(0);
    interval * (250 + part) / 1000
}
