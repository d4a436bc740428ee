//! The agents of a run: who each of them is, when its messages are due, and
//! what became of its samples.

mod library;
mod thin;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use komandorr_wire::ServiceId;
use rand::RngExt;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    cli::{Client, Load, SampleKind},
    place::Dialler,
    register::Credential,
    tally::Tally,
    template::Template,
};

/// Time for the last PUBACKs when a run ends.
const LAST_PUBACKS: Duration = Duration::from_secs(20);
/// Pause before a broken connection is made again.
const PAUSE: Duration = Duration::from_millis(100);

/// What all agents of a run have in common.
pub(crate) struct Plan {
    pub(crate) dialler: Dialler,
    pub(crate) client: Client,
    pub(crate) sample: SampleKind,
    pub(crate) array: u16,
    pub(crate) qos: u8,
    pub(crate) window: u16,
    /// Time between two messages of an agent; `None`: as fast as it goes.
    interval: Option<Duration>,
    /// How many messages of an agent are due first, and over which time.
    ahead: (u32, Duration),
    connections: u32,
    /// Mean life of a connection, where they are churned.
    life: Option<Duration>,
    /// Handshakes at the same time.
    connecting: Semaphore,
}

impl Plan {
    pub(crate) fn new(load: &Load, dialler: Dialler) -> Self {
        let connections = f64::from(load.connections);
        let every = |rate: f64| Duration::from_secs_f64(connections * f64::from(load.array) / rate);
        let life = (load.churn > 0.0).then(|| Duration::from_secs_f64(connections / load.churn));
        Self {
            dialler,
            client: load.client,
            sample: load.sample,
            array: load.array,
            qos: load.qos,
            window: load.window,
            interval: load.rate.filter(|rate| *rate > 0.0).map(every),
            ahead: (load.ahead, load.warm_up),
            connections: load.connections,
            life,
            connecting: Semaphore::new(load.connecting.max(1)),
        }
    }

    /// When an agent's message number `n`, counted from 0, is due.
    fn due(&self, begun: Instant, agent: usize, n: u64) -> Option<Instant> {
        let interval = self.interval?.as_secs_f64();
        let (ahead, time) = self.ahead;
        if let Ok(n) = u32::try_from(n)
            && n < ahead
        {
            return Some(begun + time * n / ahead);
        }
        let share = u32::try_from(agent).map_or(0.0, f64::from) / f64::from(self.connections);
        #[allow(clippy::cast_precision_loss, reason = "messages of a run are far below 2^53")]
        let messages = (n - u64::from(ahead)) as f64 + share;
        let after = if ahead > 0 { time } else { Duration::ZERO };
        Some(begun + after + Duration::from_secs_f64(messages * interval))
    }

    /// The end of a connection that begins now, where connections are churned.
    fn end_of_life(&self) -> Option<Instant> {
        let life = self.life?;
        Some(Instant::now() + life.mul_f64(rand::rng().random_range(0.2..1.8)))
    }

    /// Seconds of keep alive: longer than the pause between two messages.
    fn keep_alive(&self) -> u16 {
        let pause = self.interval.unwrap_or_default().as_secs().saturating_mul(3);
        u16::try_from(pause.max(60)).unwrap_or(u16::MAX)
    }
}

/// One agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) number: usize,
    pub(crate) service: ServiceId,
    /// Its identity, also that of the MQTT client.
    pub(crate) identity: String,
    pub(crate) credential: Option<Arc<Credential>>,
}

impl Agent {
    fn template(&self, plan: &Plan) -> Template {
        Template::new(&self.identity, plan.sample, plan.array)
    }
}

/// What became of an agent's samples. They are acknowledged in order, so two
/// numbers say it all.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) service: ServiceId,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

/// Runs agents until the run stops and their last PUBACKs are there.
pub(crate) fn start(plan: &Arc<Plan>, tally: &Arc<Tally>, agents: Vec<Agent>) -> JoinSet<Outcome> {
    let mut tasks = JoinSet::new();
    for agent in agents {
        let (plan, tally) = (Arc::clone(plan), Arc::clone(tally));
        match plan.client {
            Client::Thin => tasks.spawn(thin::run(plan, tally, agent)),
            Client::Rumqttc => tasks.spawn(library::run(plan, tally, agent)),
        };
    }
    tasks
}

/// Longest an agent works after the run has been told to stop.
async fn patience(tally: &Tally) {
    tally.stopping.cancelled().await;
    tokio::time::sleep(LAST_PUBACKS).await;
}
