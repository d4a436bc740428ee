//! An agent in a network namespace of its own, under load.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use komandorr_agent::{
    Limits,
    spool::{Run, Spool},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::parts::{Namespace, Process, sh, until};

/// Echo requests, which the other end's kernel answers, and datagrams, which
/// it does not, in bursts: some 100 to 400 KB/s. Ends with the test.
const LOAD: &str = "
import os, random, socket, struct, sys, time
there, parent = sys.argv[1], int(sys.argv[2])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
def echo(size):
    body = bytes(size * 2)
    sum = 0x0800 + 0x4b44
    sum = (sum & 0xffff) + (sum >> 16)
    return struct.pack('!BBHHH', 8, 0, ~sum & 0xffff, 0x4b44, 0) + body
while os.getppid() == parent:
    for _ in range(random.randrange(8)):
        icmp.sendto(echo(random.randrange(600)), (there, 0))
        udp.sendto(bytes(random.randrange(1, 900)), (there, 9))
    time.sleep(random.random() / 25)
";

/// Host and port of the server in its present life.
pub(super) type Address = (String, u16);

/// The agents' constant address of a server that has another port in each
/// life; in a namespace of theirs nobody reaches a loopback address.
struct Proxy {
    url: String,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn new(address: &str, server: watch::Receiver<Address>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let url = format!("mqtt://{}", listener.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut agent, _)) = listener.accept().await {
                let server = server.borrow().clone();
                connections.spawn(async move {
                    // A dead server is what this is about.
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        drop(copy_bidirectional(&mut agent, &mut server).await);
                    }
                });
            }
        });
        Ok(Self { url, _tasks: tasks })
    }
}

/// An agent in its namespace, with the cable whose bytes it counts.
pub(super) struct Host {
    pub(super) service: String,
    /// This space's end of its way to the server.
    pub(super) uplink: String,
    /// What the other end of its cable is called.
    there: String,
    begin: (u64, u64),
    process: Option<Process>,
    pub(super) load: Option<Process>,
    state: TempDir,
    proxy: Proxy,
    space: Namespace,
}

impl Host {
    pub(super) async fn new(
        i: usize,
        peer: &Namespace,
        to: watch::Receiver<Address>,
    ) -> anyhow::Result<Self> {
        let id = std::process::id();
        let (space, uplink) = (Namespace::new(&i.to_string())?, format!("kdc{}u{i}", id % 100_000));
        let (net, at) = (format!("10.86.{}", id % 250), 4 * i);
        sh(&format!("ip link add {uplink} type veth peer name up0 netns {}", space.0))?;
        sh(&format!("ip addr add {net}.{}/30 dev {uplink} && ip link set {uplink} up", at + 1))?;
        space.sh(&format!("ip addr add {net}.{}/30 dev up0", at + 2))?;
        space.sh("ip link set up0 up")?;
        // The ends know each other's addresses: nobody has to ask.
        let (here, there) = (format!("10.88.{i}.1"), format!("10.88.{i}.2"));
        let (mac, other) = (format!("02:00:00:00:{i:02}:01"), format!("02:00:00:00:{i:02}:02"));
        let far = format!("peer name k{i} address {other} netns {}", peer.0);
        space.sh(&format!("ip link add k0 address {mac} type veth {far}"))?;
        for (space, end, ip, their_ip, their_mac) in [
            (peer, format!("k{i}"), &there, &here, &mac),
            (&space, "k0".to_owned(), &here, &there, &other),
        ] {
            space.sh(&format!("ip addr add {ip}/24 dev {end}"))?;
            space.sh(&format!("ip link set {end} up"))?;
            space.sh(&format!(
                "ip neigh add {their_ip} lladdr {their_mac} dev {end} nud permanent"
            ))?;
        }
        let proxy = Proxy::new(&format!("{net}.{}", at + 1), to).await?;
        let (service, state) = (format!("chaos-{i}"), tempfile::tempdir()?);
        let (process, load, begin) = (None, None, (0, 0));
        let mut host = Self { service, uplink, there, begin, process, load, state, proxy, space };
        host.begin = host.kernel()?;
        host.start()?;
        // The first reading is on disk before any traffic.
        until("a first reading", async || Ok(host.spooled()? > 0)).await?;
        ensure!(host.begin == host.kernel()?, "something speaks before the test does");
        let mut python = host.space.command("python3");
        python.args(["-c", LOAD, &host.there, &id.to_string()]);
        host.load = Some(Process::start(&mut python)?);
        Ok(host)
    }

    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        let program = Path::new(env!("CARGO_BIN_EXE_komandorr")).with_file_name("komandorr-agent");
        ensure!(
            program.exists(),
            "{} is not there: cargo build --workspace makes it, as ./check does",
            program.display()
        );
        let log = File::options().append(true).create(true).open(self.log())?;
        let mut command = self.space.command(&program.to_string_lossy());
        command.arg(format!("--url={}", self.proxy.url)).arg(format!("--service={}", self.service));
        command.args(["--interface=k0", "--interval=1"]).stderr(log);
        command.arg(format!("--state-dir={}", self.spool().display()));
        self.process = Some(Process::start(&mut command)?);
        Ok(())
    }

    pub(super) fn log(&self) -> PathBuf {
        self.state.path().join("stderr.txt")
    }

    fn spool(&self) -> PathBuf {
        self.state.path().join("state")
    }

    pub(super) fn stop(&mut self, signal: &str) -> anyhow::Result<Option<i32>> {
        self.process.take().context("it does not run")?.stop(signal)
    }

    /// Sent and received bytes, as the kernel counts them.
    fn kernel(&self) -> anyhow::Result<(u64, u64)> {
        let dir = "/sys/class/net/k0/statistics";
        let text = self.space.sh(&format!("cat {dir}/tx_bytes {dir}/rx_bytes"))?;
        let (up, down) = text.trim().split_once('\n').context("not two numbers")?;
        Ok((up.parse()?, down.parse()?))
    }

    /// What passed since the first reading.
    pub(super) fn truth(&self) -> anyhow::Result<(u64, u64)> {
        let now = self.kernel()?;
        Ok((now.0 - self.begin.0, now.1 - self.begin.1))
    }

    /// Bytes of the spool's log.
    fn spooled(&self) -> anyhow::Result<u64> {
        let Ok(entries) = fs::read_dir(self.spool()) else { return Ok(0) };
        let mut bytes = 0;
        for entry in entries {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    }

    /// How many samples the ended agent made. None of them waits or was dropped.
    pub(super) fn samples(&self) -> anyhow::Result<u64> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let run = Run { boot: boot.trim(), hasty: true };
        let spool = Spool::open(&self.spool(), Limits::default(), run)?;
        let waiting = spool.waiting().pairs();
        ensure!(waiting.is_empty(), "{}: {waiting:?} wait", self.service);
        ensure!(spool.dropped() == 0, "{}: {} dropped", self.service, spool.dropped());
        Ok(spool.seq())
    }
}
