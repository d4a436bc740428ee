//! A server that takes samples as Komandorr's does: it acknowledges what it
//! has stored, when it wants to, and refuses what it cannot take.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use komandorr_wire::Sample;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Store,
    /// 0x99, payload format invalid.
    Refuse,
    /// Neither: it waits for its PUBACK.
    Wait,
    /// Stored, but the connection breaks before the PUBACK.
    StoreAndHangUp,
    /// The connection breaks, and nothing is stored.
    HangUp,
}

type Rule = Box<dyn FnMut(&str, &[Sample]) -> Answer + Send>;

/// What arrived, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arrived {
    Status(String),
    Samples(Vec<Sample>, Answer),
}

/// The server; ends when dropped.
pub(crate) struct Broker {
    pub(crate) url: String,
    pub(crate) arrived: Arc<Mutex<Vec<Arrived>>>,
    _tasks: JoinSet<()>,
}

impl Broker {
    /// Listens on a free port and asks `rule` about each message.
    pub(crate) async fn start(
        rule: impl FnMut(&str, &[Sample]) -> Answer + Send + 'static,
    ) -> Result<Self> {
        Self::start_at("127.0.0.1", rule).await
    }

    /// Listens on a free port of another address.
    pub(crate) async fn start_at(
        address: &str,
        rule: impl FnMut(&str, &[Sample]) -> Answer + Send + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let url = format!("mqtt://{}", listener.local_addr()?);
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let rule = Arc::new(Mutex::new(Box::new(rule) as Rule));
        let mut tasks = JoinSet::new();
        let record = Arc::clone(&arrived);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, rule) = (Arc::clone(&record), Arc::clone(&rule));
                // A broken connection is part of the tests.
                connections.spawn(async move { drop(serve(stream, &record, &rule).await) });
            }
        });
        Ok(Self { url, arrived, _tasks: tasks })
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().map(|arrived| arrived.clone()).unwrap_or_default()
    }

    /// The messages with samples that were stored.
    pub(crate) fn stored(&self) -> Vec<Vec<Sample>> {
        let stored = |arrived| match arrived {
            Arrived::Samples(samples, Answer::Store | Answer::StoreAndHangUp) => Some(samples),
            _ => None,
        };
        self.arrived().into_iter().filter_map(stored).collect()
    }
}

async fn serve(stream: TcpStream, record: &Mutex<Vec<Arrived>>, rule: &Mutex<Rule>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.into_split();
    loop {
        let (kind, body) = packet(&mut read).await?;
        match kind >> 4 {
            1 => write.write_all(&[0x20, 3, 0, 0, 0]).await?,
            3 => {
                let (arrived, id) = publish(kind, &body, rule)?;
                let answer = match &arrived {
                    Arrived::Samples(_, answer) => *answer,
                    Arrived::Status(_) => Answer::Store,
                };
                if let Ok(mut record) = record.lock() {
                    record.push(arrived);
                }
                if matches!(answer, Answer::StoreAndHangUp | Answer::HangUp) {
                    return Ok(());
                }
                acknowledge(&mut write, id, answer).await?;
            }
            12 => write.write_all(&[0xd0, 0]).await?,
            _ => return Ok(()),
        }
    }
}

async fn acknowledge(write: &mut OwnedWriteHalf, id: [u8; 2], answer: Answer) -> Result<()> {
    match answer {
        Answer::Store => write.write_all(&[0x40, 2, id[0], id[1]]).await?,
        Answer::Refuse => write.write_all(&[0x40, 4, id[0], id[1], 0x99, 0]).await?,
        Answer::Wait | Answer::StoreAndHangUp | Answer::HangUp => {}
    }
    Ok(())
}

/// One packet: its first byte and its body.
async fn packet(read: &mut OwnedReadHalf) -> Result<(u8, Vec<u8>)> {
    let kind = read.read_u8().await?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = read.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await?;
    Ok((kind, body))
}

/// Takes an MQTT 5 publish packet of quality 1 apart.
fn publish(kind: u8, body: &[u8], rule: &Mutex<Rule>) -> Result<(Arrived, [u8; 2])> {
    anyhow::ensure!(kind & 0b110 == 0b010, "not QoS 1");
    let (length, rest) = body.split_first_chunk::<2>().context("no topic")?;
    let (topic, rest) =
        rest.split_at_checked(u16::from_be_bytes(*length).into()).context("short topic")?;
    let (id, rest) = rest.split_first_chunk::<2>().context("no packet id")?;
    let (properties, rest) = rest.split_first().context("no properties")?;
    let payload = rest.get(usize::from(*properties)..).context("short properties")?;
    let topic = std::str::from_utf8(topic)?;
    if topic.starts_with("komandorr/status/") {
        return Ok((Arrived::Status(String::from_utf8(payload.to_vec())?), *id));
    }
    let samples = komandorr_wire::decode(payload)?;
    let answer = rule.lock().map_or(Answer::Wait, |mut rule| rule(topic, &samples));
    Ok((Arrived::Samples(samples, answer), *id))
}
