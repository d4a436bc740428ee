//! The router's life and death, and what its links deliver.

use std::{collections::BTreeSet, time::Duration};

use komandorr_wire::ServiceId;
use tokio::time::{Instant, timeout};

use super::{feed::Feed, *};

const PATIENCE: Duration = Duration::from_secs(5);

struct Running {
    fanout: Arc<Fanout>,
    _stop: tokio_util::sync::DropGuard,
}

fn start(backlog: usize) -> Running {
    let stop = CancellationToken::new();
    let settings = Settings { backlog, links: 100 };
    let counters = Arc::new(Counters::new());
    let fanout = Fanout::start(settings, counters, &TaskTracker::new(), &stop).unwrap();
    Running { fanout, _stop: stop.drop_guard() }
}

fn traffic(service: &str, n: u32) -> Envelope {
    let service = ServiceId::new(service).unwrap();
    Envelope::new(Kind::Traffic, &service, &n.to_be_bytes(), (true, false), (1, 0))
}

async fn subscribed(fanout: &Fanout, feeds: &[Feed]) -> Link {
    let mut link = timeout(PATIENCE, fanout.open()).await.unwrap();
    let wanted: BTreeSet<_> = feeds.iter().copied().collect();
    assert_eq!(link.subscribe(&wanted, 5).await, Ok(true));
    while !matches!(link.next().await, Ok(LinkEvent::Subscribed(5))) {}
    link
}

async fn next(link: &mut Link) -> Result<(String, u32), RouterGone> {
    loop {
        let event = timeout(PATIENCE, link.next()).await.expect("nothing comes")?;
        if let LinkEvent::Message(bytes) = event {
            let opened = Envelope::open(&bytes).unwrap();
            let n = u32::from_be_bytes(opened.payload.try_into().unwrap());
            return Ok((opened.name.to_owned(), n));
        }
    }
}

/// What happens to the router, and what must be seen of it within a second.
async fn replaced(fanout: &Fanout, harm: impl AsyncFnOnce(&Fanout)) {
    let restarts = || fanout.counters.snapshot().router_restarts;
    let before = restarts();
    let mut link = subscribed(fanout, &[Feed::AllTraffic]).await;
    let start = Instant::now();
    harm(fanout).await;
    // The link notices, and another one works.
    while next(&mut link).await.is_ok() {}
    let mut link = subscribed(fanout, &[Feed::AllTraffic]).await;
    fanout.publish([traffic("web-1", 7)]);
    assert_eq!(next(&mut link).await, Ok(("web-1".to_owned(), 7)));
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    assert_eq!(restarts(), before + 1);
    assert!(fanout.is_healthy());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_router_is_replaced_within_a_second() {
    let it = start(1 << 20);
    for _ in 0..3 {
        replaced(&it.fanout, async |fanout| fanout.kill_router()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_router_is_replaced_within_a_second() {
    let it = start(1 << 20);
    replaced(&it.fanout, async |fanout| fanout.hang_router(Duration::from_secs(3)).await).await;
}

/// Waits until the carrier and the probe have the only links.
pub(crate) async fn no_slot_is_left_behind(fanout: &Fanout) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while fanout.slots() != 2 {
            look.tick().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("not as many slots as links of our own");
}

#[tokio::test]
async fn a_link_that_nobody_takes_leaves_no_slot_behind() {
    let it = start(1 << 20);
    no_slot_is_left_behind(&it.fanout).await;
    let (reply, answer) = tokio::sync::oneshot::channel();
    it.fanout.current.borrow().ask(router::Request::Open(reply));
    assert_eq!(it.fanout.slots(), 3, "the link is on its way");
    drop(answer);
    assert_eq!(it.fanout.slots(), 2);
    // Nor does one that is dropped before it is on its way.
    let (reply, answer) = tokio::sync::oneshot::channel();
    drop(answer);
    it.fanout.current.borrow().ask(router::Request::Open(reply));
    assert_eq!(it.fanout.slots(), 2);
}

#[tokio::test]
async fn a_router_whose_desk_has_ended_is_replaced() {
    let it = start(1 << 20);
    let restarts = || it.fanout.counters.snapshot().router_restarts;
    no_slot_is_left_behind(&it.fanout).await;
    // More than there is room for.
    let mut links = Vec::new();
    while restarts() == 0 {
        links.push(timeout(PATIENCE, it.fanout.open()).await.expect("no other router"));
    }
    drop(links);
    drop(subscribed(&it.fanout, &[Feed::AllTraffic]).await);
    assert_eq!(restarts(), 1);
    assert!(it.fanout.is_healthy());
}

#[tokio::test]
async fn a_service_s_messages_come_from_its_part_and_from_all() {
    let it = start(1 << 20);
    let mut all = subscribed(&it.fanout, &[Feed::AllTraffic]).await;
    let one = ServiceId::new("web-1").unwrap();
    let mut part = subscribed(&it.fanout, &[Feed::of(&one)]).await;
    it.fanout.publish((0..1000).map(|n| traffic(&format!("web-{}", n % 50), n)));
    for n in 0..1000 {
        assert_eq!(next(&mut all).await, Ok((format!("web-{}", n % 50), n)));
    }
    let mut seen = 0;
    while seen < 20 {
        let (service, n) = next(&mut part).await.unwrap();
        if service == "web-1" {
            assert_eq!(n, seen * 50 + 1);
            seen += 1;
        }
    }
}

#[tokio::test]
async fn a_lagging_link_loses_the_oldest_and_counts_them() {
    let it = start(64 * 1024);
    let mut link = subscribed(&it.fanout, &[Feed::AllTraffic]).await;
    // More than the log keeps, while nobody reads; in pieces that the queue
    // before the router holds.
    for piece in 0..40_u32 {
        it.fanout.publish((0..500).map(|n| traffic("web-1", piece * 500 + n)));
        while !it.fanout.queue.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    let mut got = Vec::new();
    loop {
        let (_, n) = next(&mut link).await.unwrap();
        got.push(n);
        if n == 19_999 {
            break;
        }
    }
    assert!(got.is_sorted());
    assert!(got.len() < 20_000, "nothing was lost: the test is too small");
    let lost = link.lost() + it.fanout.counters.snapshot().lost;
    assert_eq!(lost + got.len() as u64, 20_000);
}

#[test]
fn a_full_queue_loses_the_oldest() {
    let queue = Queue::new(1000);
    let each = traffic("web-1", 0).bytes.len();
    let fits = u64::try_from(1000 / each).unwrap();
    assert_eq!(queue.push((0..100).map(|n| traffic("web-1", n))), 100 - fits);
    let kept = futures_util::FutureExt::now_or_never(queue.take()).unwrap();
    let last = Envelope::open(&kept.last().unwrap().bytes).unwrap().payload.to_vec();
    assert_eq!(last, 99_u32.to_be_bytes());
    assert_eq!(kept.len() as u64, fits);
}

#[test]
fn an_envelope_gives_back_what_was_put_in() {
    let service = ServiceId::new("web-1").unwrap();
    let envelope = Envelope::new(Kind::Status, &service, b"online", (true, true), (9, 7));
    assert_eq!(&*envelope.payload(), b"online");
    let opened = Envelope::open(&envelope.bytes).unwrap();
    assert_eq!((opened.kind, opened.qos1, opened.retain), (Kind::Status, true, true));
    assert_eq!((opened.origin, opened.version), (9, 7));
    assert_eq!((opened.name, opened.payload), ("web-1", b"online".as_slice()));
    for cut in 0..23 {
        assert_eq!(Envelope::open(&envelope.bytes[..cut]), None);
    }
}
