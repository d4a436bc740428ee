//! What a batch in the making takes, with a registry on a real database.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use komandorr_wire::{AgentSeq, encode_one};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{store::Database, writer::Writer};

/// Time of the paused clock, which passes when nobody has anything to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// Nobody waits for the answers.
struct Unheard;

impl Settle for Unheard {
    fn settle(&self, _: &[Outcome]) {}
}

/// Messages of one service that arrived together.
fn delivery(payload: &Bytes, count: usize, arrived_ms: i64) -> anyhow::Result<Delivery> {
    let message =
        Message { service: ServiceId::new("web-1")?, payload: payload.clone(), arrived_ms };
    Ok(Delivery { messages: vec![message; count], settle: Arc::new(Unheard) })
}

/// A sample, which is new once only where it has a number.
fn payload(seq: Option<u64>) -> Bytes {
    let agent = seq.map(|seq| AgentSeq { agent: "a".into(), seq: Some(seq) });
    encode_one(&Sample { up: 1, interval_ms: 1000, agent, ..Sample::default() }).into()
}

/// A writer, and what its committer would hold.
fn writer(
    database: &Arc<Database>,
) -> anyhow::Result<(Writer, mpsc::Receiver<Filled>, mpsc::Sender<()>)> {
    let (filled, to_commit) = mpsc::channel(1);
    let (free, freed) = mpsc::channel(1);
    let writer = Writer {
        lane: database.lane(),
        batcher: Batcher::default(),
        registry: Arc::new(Registry::load(database.lane(), Arc::default())?),
        stats: Arc::default(),
        filled,
        freed,
    };
    Ok((writer, to_commit, free))
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_committed_only_so_much_is_taken() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("filling.duckdb"))?;
    // What is stored already and what is refused adds no row to a batch. So
    // many deliveries of so many messages reach a bound, one of the other kind.
    let large = Bytes::from(vec![0; MAX_BYTES / 64]);
    for (payload, count, fit) in [(payload(Some(1)), 1000, MAX_MESSAGES / 1000), (large, 1, 64)] {
        let (writer, mut to_commit, free) = writer(&database)?;
        let (deliveries, delivered) = mpsc::channel(1);
        let send = async || {
            let delivery = delivery(&payload, count, 0)?;
            anyhow::Ok(timeout(PATIENCE, deliveries.send(delivery)).await.is_ok())
        };
        let test = async {
            let mut accepted = 0;
            while accepted < 2 * fit && send().await? {
                accepted += 1;
            }
            // Beside these one is being committed, and one waits in the channel.
            assert_eq!(accepted, fit + 2);
            for taken in [1, fit] {
                let filled = to_commit.recv().await.expect("a batch");
                assert_eq!(filled.receipts.len(), taken);
                free.send(()).await?;
            }
            assert!(send().await? && send().await?, "there is room again");
            anyhow::Ok(())
        };
        tokio::select! {
            () = writer.run(delivered, CancellationToken::new()) => anyhow::bail!("it has ended"),
            tested = test => tested?,
        }
    }
    Ok(())
}

#[test]
fn the_number_of_a_removed_service_is_not_used_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("filling.duckdb"))?;
    let registry = Registry::load(database.lane(), Arc::default())?;
    let (mut filling, mut batcher, stats) =
        (Filling::default(), Batcher::default(), Stats::default());
    let mut numbers = |arrived_ms| {
        filling.add(std::iter::once(delivery(&payload(None), 1, arrived_ms)?));
        filling.take(&mut batcher, &registry, &stats)?;
        let rows = filling.hand_over().batch.rows;
        anyhow::Ok(rows.iter().map(|row| row.service_no).collect::<Vec<_>>())
    };
    let number = || registry.get("web-1").map(|service| service.number);
    let before = Timestamp::now().as_millisecond();
    assert_eq!(numbers(before)?, [1]);
    registry.remove(&ServiceId::new("web-1")?)?;
    assert_eq!(numbers(before)?, [0; 0], "what had come before goes with it");
    assert_eq!(numbers(before + 60_000)?, [2], "what comes later is another's");
    assert_eq!(number(), Some(2));
    Ok(())
}
