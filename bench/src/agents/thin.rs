//! An agent that costs next to nothing: it writes prepared packets and counts
//! PUBACKs, which come in the order of the messages.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use bytes::{Buf, BytesMut};
use komandorr_wire::topic;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    time::{sleep, sleep_until},
};

use super::{Agent, Outcome, PAUSE, Plan, patience};
use crate::{
    packets,
    place::Stream,
    tally::{Tally, unix_ms},
    template::Template,
};

/// Bytes that are prepared for one write.
const WRITE: usize = 64 * 1024;
/// How long an idle connection sleeps at most before it looks around.
const LOOK: Duration = Duration::from_millis(250);

struct Thin {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    agent: Agent,
    template: Template,
    /// PUBLISH up to the packet identifier.
    head: Vec<u8>,
    /// Messages of which everything is acknowledged.
    acknowledged: u64,
    sent: u64,
    /// The most that was ever sent: what is repeated is not new.
    most_sent: u64,
    /// Messages under way: how many, and since when they wait.
    flying: VecDeque<(u64, Instant)>,
    out: Vec<u8>,
}

/// Publishes until the run stops.
pub(super) async fn run(plan: Arc<Plan>, tally: Arc<Tally>, agent: Agent) -> Outcome {
    let template = agent.template(&plan);
    let head = packets::publish_head(&topic::traffic(&agent.service), plan.qos, template.len());
    let mut thin = Thin {
        plan,
        tally: Arc::clone(&tally),
        agent,
        template,
        head,
        acknowledged: 0,
        sent: 0,
        most_sent: 0,
        flying: VecDeque::new(),
        out: Vec::new(),
    };
    let mut patience = pin!(patience(&tally));
    tokio::select! {
        () = thin.live() => {}
        () = &mut patience => tally.trouble("PUBACKs did not come in time".to_owned()),
    }
    let samples = u64::from(thin.plan.array);
    Outcome {
        service: thin.agent.service,
        sent: thin.most_sent * samples,
        acknowledged: thin.acknowledged * samples,
    }
}

impl Thin {
    /// Connection after connection, until all is acknowledged.
    async fn live(&mut self) {
        loop {
            match self.connection().await {
                Ok(true) => return,
                Ok(false) => {
                    self.tally.churned.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    self.tally.broken.fetch_add(1, Relaxed);
                    self.tally.trouble(format!("{error:#}"));
                    sleep(PAUSE).await;
                }
            }
            // What was not acknowledged is sent again; it has the same numbers.
            self.flying.clear();
            self.out.clear();
            self.sent = self.acknowledged;
            if self.tally.is_stopping() && self.acknowledged == self.most_sent {
                return;
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        let _turn = self.plan.connecting.acquire().await?;
        let mut io = self.plan.dialler.dial().await?;
        let credential = self.agent.credential.as_deref();
        let keep_alive = self.plan.keep_alive();
        io.write_all(&packets::connect(&self.agent.identity, credential, keep_alive)).await?;
        io.flush().await?;
        let mut answer = [0; 4];
        io.read_exact(&mut answer).await?;
        ensure!(answer == [0x20, 2, 0, 0], "the broker refuses the connection: {answer:?}");
        Ok(io)
    }

    /// One connection; `true` when the run is over, `false` when its life is.
    async fn connection(&mut self) -> anyhow::Result<bool> {
        let (mut reading, mut writing) = split(self.connect().await?);
        self.tally.connected.fetch_add(1, Relaxed);
        let tally = Arc::clone(&self.tally);
        tally.begin.cancelled().await;
        let end = self.plan.end_of_life();
        let mut input = BytesMut::new();
        loop {
            let stopping = tally.is_stopping();
            if stopping && self.flying.is_empty() && self.out.is_empty() && self.is_complete() {
                writing.write_all(&packets::DISCONNECT).await?;
                writing.flush().await?;
                return Ok(true);
            }
            if end.is_some_and(|end| end <= Instant::now()) && !stopping {
                return Ok(false);
            }
            let due = self.fill(stopping);
            let idle = Instant::now() + LOOK;
            let wake = due.map_or(idle, |due| due.min(idle));
            tokio::select! {
                written = writing.write(&self.out), if !self.out.is_empty() => {
                    let written = written?;
                    self.out.drain(..written);
                    if self.out.is_empty() {
                        writing.flush().await?;
                        self.written();
                    }
                }
                read = reading.read_buf(&mut input) => {
                    ensure!(read? > 0, "the broker closes the connection");
                    self.take(&mut input)?;
                }
                () = sleep_until(wake.into()), if self.out.is_empty() => {}
                () = tally.stopping.cancelled(), if !stopping => {}
            }
        }
    }

    /// While it stops, what was sent before and not acknowledged still has to go.
    fn is_complete(&self) -> bool {
        self.acknowledged == self.most_sent
    }

    /// Prepares what is due and has room; says when the next one is due.
    fn fill(&mut self, stopping: bool) -> Option<Instant> {
        let (now, now_ms) = (Instant::now(), unix_ms());
        let begun = self.tally.begun();
        let samples = u64::from(self.plan.array);
        let mut group = (0, now);
        let mut next = None;
        while self.out.len() < WRITE
            && self.sent - self.acknowledged < u64::from(self.plan.window)
            && !(stopping && self.sent >= self.most_sent)
        {
            let due = self.plan.due(begun, self.agent.number, self.sent);
            if let Some(due) = due {
                if due > now {
                    next = Some(due);
                    break;
                }
                // The wait begins when it was due, not when there was time.
                self.flying.push_back((1, due));
            } else {
                group.0 += 1;
            }
            self.out.extend_from_slice(&self.head);
            if self.plan.qos > 0 {
                self.out.extend_from_slice(&packets::id(self.sent).to_be_bytes());
            }
            self.template.write(&mut self.out, 1 + self.sent * samples, now_ms);
            self.sent += 1;
        }
        if group.0 > 0 {
            self.flying.push_back(group);
        }
        self.most_sent = self.most_sent.max(self.sent);
        next
    }

    /// At quality of service 0 the end of the way is the socket.
    fn written(&mut self) {
        if self.plan.qos > 0 {
            return;
        }
        for (count, since) in std::mem::take(&mut self.flying) {
            self.settle(count, since);
        }
    }

    fn settle(&mut self, count: u64, since: Instant) {
        self.acknowledged += count;
        let samples = count * u64::from(self.plan.array);
        self.tally.acknowledge(self.agent.number, (count, samples), since.elapsed());
    }

    /// Takes PUBACKs off what was read.
    fn take(&mut self, input: &mut BytesMut) -> anyhow::Result<()> {
        let mut count = 0;
        for packet in input.chunks_exact(4) {
            let [0x40, 2, high, low] = packet else {
                bail!("the broker sends {packet:?} where a PUBACK is due");
            };
            let expected = packets::id(self.acknowledged + count);
            let id = u16::from_be_bytes([*high, *low]);
            ensure!(id == expected, "PUBACK {id} where {expected} is due");
            count += 1;
        }
        input.advance(input.len() / 4 * 4);
        while count > 0 {
            let Some((waiting, since)) = self.flying.pop_front() else {
                bail!("a PUBACK for nothing");
            };
            let settled = count.min(waiting);
            self.settle(settled, since);
            if settled < waiting {
                self.flying.push_front((waiting - settled, since));
            }
            count -= settled;
        }
        Ok(())
    }
}
