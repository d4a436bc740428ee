//! An agent on rumqttc, the library that komandorr-agent itself uses.

use std::{
    collections::VecDeque,
    future::pending,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use komandorr_wire::topic;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, QoS,
    TlsConfiguration, Transport,
};
use tokio::time::{sleep, sleep_until};

use super::{Agent, LAST_PUBACKS, Outcome, PAUSE, Plan};
use crate::tally::{Tally, unix_ms};

/// Requests that may wait inside the client.
const WAITING: usize = 100;

/// What the publishing and the polling half share.
#[derive(Default)]
struct Shared {
    /// Messages given to the client, or waiting to be.
    sent: AtomicU64,
    acknowledged: AtomicU64,
    /// When each message that is not written yet was due.
    due: Mutex<VecDeque<Instant>>,
}

/// Publishes until the run stops.
pub(super) async fn run(plan: Arc<Plan>, tally: Arc<Tally>, agent: Agent) -> Outcome {
    let (client, events) = client(&plan, &agent);
    let shared = Shared::default();
    let publish = async {
        publish(&plan, &tally, &agent, &client, &shared).await;
        // The last PUBACKs still have to come.
        pending::<()>().await;
    };
    tokio::select! {
        () = publish => {}
        () = poll(&plan, &tally, &agent, events, &shared) => {}
    }
    let samples = u64::from(plan.array);
    Outcome {
        service: agent.service,
        sent: shared.sent.load(Relaxed) * samples,
        acknowledged: shared.acknowledged.load(Relaxed) * samples,
    }
}

fn client(plan: &Plan, agent: &Agent) -> (AsyncClient, EventLoop) {
    let place = &plan.dialler.place;
    let host = if place.carrier.web_socket { place.to_string() } else { place.host.clone() };
    let mut options = MqttOptions::new(&agent.identity, host, place.port);
    let tls = plan.dialler.tls.clone().map(TlsConfiguration::Rustls);
    options.set_transport(match (place.carrier.web_socket, tls) {
        (false, None) => Transport::Tcp,
        (true, None) => Transport::Ws,
        (false, Some(tls)) => Transport::Tls(tls),
        (true, Some(tls)) => Transport::Wss(tls),
    });
    options.set_keep_alive(Duration::from_secs(plan.keep_alive().into()));
    options.set_inflight(plan.window);
    options.set_max_packet_size(1 << 20, 1 << 20);
    if let Some(credential) = &agent.credential {
        options.set_credentials(&credential.user, &credential.password);
    }
    let (client, mut events) = AsyncClient::new(options, WAITING);
    let mut network = NetworkOptions::new();
    // Without it Nagle's algorithm waits for delayed acknowledgements.
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    (client, events)
}

async fn publish(plan: &Plan, tally: &Tally, agent: &Agent, client: &AsyncClient, shared: &Shared) {
    let (topic, template) = (topic::traffic(&agent.service), agent.template(plan));
    let qos = if plan.qos > 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    tally.begin.cancelled().await;
    let begun = tally.begun();
    let mut next = 0;
    while !tally.is_stopping() {
        if let Some(due) = plan.due(begun, agent.number, next) {
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = tally.stopping.cancelled() => break,
            }
            if let Ok(mut waiting) = shared.due.lock() {
                waiting.push_back(due);
            }
        }
        let mut payload = Vec::with_capacity(template.len());
        template.write(&mut payload, 1 + next * u64::from(plan.array), unix_ms());
        next += 1;
        // Before it is given away: the polling half takes it as soon as it waits,
        // and must not take the run for over before its PUBACK.
        shared.sent.store(next, Relaxed);
        if client.publish(&topic, qos, false, payload).await.is_err() {
            break;
        }
    }
}

/// Waits for PUBACKs until the run is over and all are there. What is asked for
/// each event costs as little as it can: the clients use the same processors.
async fn poll(plan: &Plan, tally: &Tally, agent: &Agent, mut events: EventLoop, shared: &Shared) {
    let mut flying = VecDeque::new();
    let mut connected = false;
    // The first connection waits for its turn like those of all the others.
    let turn = tally.stopping.run_until_cancelled(plan.connecting.acquire()).await;
    let mut turn = turn.and_then(Result::ok);
    let mut stopped = pin!(tally.stopping.cancelled());
    let mut latest = None;
    loop {
        if tally.is_stopping() {
            if shared.acknowledged.load(Relaxed) >= shared.sent.load(Relaxed) {
                return;
            }
            if *latest.get_or_insert_with(|| Instant::now() + LAST_PUBACKS) <= Instant::now() {
                return tally.trouble("PUBACKs did not come in time".to_owned());
            }
        }
        let event = tokio::select! {
            biased;
            event = events.poll() => event,
            () = &mut stopped, if latest.is_none() => continue,
            () = sleep(PAUSE), if latest.is_some() => continue,
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                turn = None;
                if !connected {
                    tally.connected.fetch_add(1, Relaxed);
                }
                connected = true;
            }
            Ok(Event::Outgoing(Outgoing::Publish(_))) => {
                let due = shared.due.lock().ok().and_then(|mut due| due.pop_front());
                flying.push_back(due.unwrap_or_else(Instant::now));
                if plan.qos == 0 {
                    settle(plan, tally, agent, shared, flying.pop_front());
                }
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                settle(plan, tally, agent, shared, flying.pop_front());
            }
            Ok(_) => {}
            Err(error) => {
                tally.broken.fetch_add(1, Relaxed);
                tally.trouble(error.to_string());
                sleep(PAUSE).await;
            }
        }
        drop(turn.take_if(|_| connected));
    }
}

fn settle(plan: &Plan, tally: &Tally, agent: &Agent, shared: &Shared, since: Option<Instant>) {
    shared.acknowledged.fetch_add(1, Relaxed);
    let waited = since.map(|since| since.elapsed()).unwrap_or_default();
    tally.acknowledge(agent.number, (1, u64::from(plan.array)), waited);
}
