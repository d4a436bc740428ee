//! The program under `kill -9`, against the kernel's own counters.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};

use crate::{
    broker::{Answer, Broker},
    interfaces::Namespace,
    support::{Process, Store, sh, until},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_komandorr-agent");

/// The kernel's counters of an interface of the namespace, sent and received.
fn kernel(space: &Namespace, interface: &str) -> Result<(u64, u64)> {
    let dir = format!("/sys/class/net/{interface}/statistics");
    let text = sh(&format!("ip netns exec {} cat {dir}/tx_bytes {dir}/rx_bytes", space.0))?;
    let mut numbers = text.lines().map(str::parse);
    let mut next = || numbers.next().context("no number")?.context("no number");
    Ok((next()?, next()?))
}

/// A namespace with a link to this one, over which the agent reaches a relay
/// to the test's server, and a cable whose bytes are counted.
fn traffic(space: &Namespace, packets: u32) -> Result<()> {
    let script = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
                  for i in range(int(sys.argv[1])): s.sendto(b'x'*(i%900+1),('10.88.0.2',9))";
    let mut command = space.command("python3");
    let status = command.args(["-c", script, &packets.to_string()]).status()?;
    anyhow::ensure!(status.success(), "no traffic");
    Ok(())
}

fn start(space: &Namespace, url: &str, state: &Path) -> Result<Process> {
    let mut command = space.command(PROGRAM);
    command.arg(format!("--url={url}")).args(["--interface=k0", "--interval=1", "--service=web-1"]);
    command.arg(format!("--state-dir={}", state.display()));
    Process::start(command.stderr(Stdio::null()).stdout(Stdio::null()))
}

/// Moves a cable's end between the spaces and gives it an address.
fn cable(space: &Namespace) -> Result<String> {
    let id = std::process::id() % 10_000;
    // Nothing speaks of its own accord here, so that the truth is exact.
    let quiet = "sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
    sh(&format!("ip netns exec {} {quiet}", space.0))?;
    // The way to the server: one end stays in this space.
    sh(&format!("ip link add kdh{id} type veth peer name up0 netns {}", space.0))?;
    sh(&format!("ip addr add 10.87.{}.1/24 dev kdh{id} && ip link set kdh{id} up", id % 250))?;
    space.ip(&format!("addr add 10.87.{}.2/24 dev up0", id % 250))?;
    space.ip("link set up0 up")?;
    // What is counted: both ends in the namespace, no address of the other.
    space.ip("link add k0 type veth peer name k1")?;
    space.ip("addr add 10.88.0.1/24 dev k0")?;
    space.ip("link set k1 up")?;
    space.ip("link set k0 up")?;
    space.ip("neigh add 10.88.0.2 lladdr 02:00:00:00:00:02 dev k0")?;
    Ok(format!("10.87.{}.1", id % 250))
}

#[tokio::test]
async fn twelve_kills_lose_no_byte_of_the_kernels_counters() -> Result<()> {
    let Some(space) = Namespace::new("kill")? else { return Ok(()) };
    let address = cable(&space)?;
    let state = tempfile::tempdir()?;
    let mut count = 0_u32;
    // The server breaks now and then, between storing and acknowledging.
    let broker = Broker::start_at(&address, move |_, _| {
        count += 1;
        if count.is_multiple_of(5) { Answer::StoreAndHangUp } else { Answer::Store }
    })
    .await?;
    let store = || {
        let mut store = Store::default();
        broker.stored().into_iter().for_each(|samples| store.add(samples));
        store
    };
    let mut agent = start(&space, &broker.url, state.path())?;
    // The baseline is on disk before any traffic that shall count.
    until("the baseline", || spooled(state.path()) > 0).await?;
    let begin = kernel(&space, "k0")?;
    for round in 0..12_u32 {
        traffic(&space, 50 + round * 7)?;
        if round % 3 == 0 {
            let before = store().len();
            until("another sample", || store().len() > before).await?;
        }
        agent.stop("KILL")?;
        traffic(&space, 20)?;
        agent = start(&space, &broker.url, state.path())?;
    }
    let end = kernel(&space, "k0")?;
    until("all bytes", || store().sums().0 >= end.0 - begin.0).await?;
    assert_eq!(agent.stop("TERM")?, Some(0));
    let (stored, end) = (store(), kernel(&space, "k0")?);
    assert!(stored.is_whole(), "a number is missing");
    let (up, down) = stored.sums();
    let last = stored.samples().last().cloned().unwrap_or_default();
    assert_eq!((last.up_total, last.down_total), (Some(up), Some(down)));
    let truth = (end.0 - begin.0, end.1 - begin.1);
    assert_eq!((up, down), truth, "stored bytes and the kernel's");
    Ok(())
}

/// Bytes of the spool's log.
fn spooled(state: &Path) -> u64 {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let logs = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
    logs.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}
