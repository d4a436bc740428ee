//! Real interfaces in a network namespace, where this may make one.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use crate::support::{Process, is_root, sh, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_komandorr-agent");

/// A namespace that goes with its test.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    /// `None` where only root may, and this is not root.
    pub(crate) fn new(name: &str) -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let name = format!("kd-{name}-{}", std::process::id());
        sh(&format!("ip netns add {name} && ip -n {name} link set lo up"))?;
        Ok(Some(Self(name)))
    }

    pub(crate) fn ip(&self, arguments: &str) -> Result<String> {
        sh(&format!("ip -n {} {arguments}", self.0))
    }

    /// Runs a program within.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    fn table(&self) -> Result<String> {
        let out = self.command(PROGRAM).arg("interfaces").output()?;
        Ok(String::from_utf8(out.stdout)?)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(sh(&format!("ip netns del {}", self.0)));
    }
}

#[test]
fn real_interfaces_have_the_roles_that_they_are() -> Result<()> {
    let Some(space) = Namespace::new("roles")? else { return Ok(()) };
    // Which kinds exist depends on the kernel's modules; these are tried.
    let tried = [
        ("link add t-veth type veth peer name t-peer", "t-veth", "veth"),
        ("tuntap add t-tun mode tun", "t-tun", "tunnel"),
        ("tuntap add t-tap mode tap", "t-tap", "tunnel"),
        ("link add t-br type bridge", "t-br", "bridge"),
        ("link add t-bond type bond", "t-bond", "bond"),
        ("link add link t-veth name t-vlan type vlan id 7", "t-vlan", "vlan"),
        ("link add t-dummy type dummy", "t-dummy", "virtual"),
        ("link add t-wg type wireguard", "t-wg", "tunnel"),
        ("link add link t-veth name t-mac type macvlan", "t-mac", "stacked"),
        ("link add t-vx type vxlan id 5 dev t-veth dstport 4789", "t-vx", "tunnel"),
        ("link add t-gre type gre local 10.0.0.1 remote 10.0.0.2", "t-gre", "tunnel"),
        ("link add t-team type team", "t-team", "stacked"),
    ];
    let made: Vec<_> = tried.iter().filter(|(add, ..)| space.ip(add).is_ok()).collect();
    assert!(made.len() >= 3, "this kernel makes no interfaces");
    let table = space.table()?;
    for (_, name, role) in made {
        let line = table.lines().find(|line| line.split(' ').next() == Some(name));
        let cells: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells.get(1), Some(role), "{table}");
        assert!(line.is_some_and(|line| line.contains("  no  ")), "{table}");
    }
    Ok(())
}

/// An interface that was there before may be away at the next start, as a modem is;
/// one that never was is a wrong name.
#[tokio::test]
async fn an_agent_waits_for_an_interface_that_it_knows() -> Result<()> {
    let Some(space) = Namespace::new("absent")? else { return Ok(()) };
    let state = tempfile::tempdir()?;
    let dir = format!("--state-dir={}", state.path().display());
    let start = |name: &str| {
        let mut command = space.command(PROGRAM);
        command.args(["--url=mqtt://127.0.0.1:1", "--interval=1", "--interface", name, &dir]);
        command
    };
    let stop = |process: Process| -> Result<()> {
        assert_eq!(process.stop("TERM")?, Some(0));
        Ok(())
    };
    let (one, other) = (state.path().join("one.log"), state.path().join("other.log"));
    let says = |log: &Path, words: &str| fs::read_to_string(log).is_ok_and(|s| s.contains(words));

    space.ip("link add m0 type veth peer name m1")?;
    let first = Process::start(start("m0").stderr(fs::File::create(&one)?))?;
    until("the first reading", || says(&one, "agent started")).await?;
    stop(first)?;
    space.ip("link del m0")?;
    let second = Process::start(start("m0").stderr(fs::File::create(&other)?))?;
    until("it runs", || says(&other, "agent started") && says(&other, "nothing is counted"))
        .await?;
    stop(second)?;
    let wrong = start("m7").output()?;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no interface \"m7\""));
    Ok(())
}

#[test]
fn a_namespace_without_the_hosts_network_is_said_to_be_one() -> Result<()> {
    let Some(space) = Namespace::new("alone")? else { return Ok(()) };
    assert!(space.table()?.contains("Warning: no physical uplink and no default route"));
    space.ip("link add c0 type veth peer name c1")?;
    space.ip("addr add 10.77.0.2/24 dev c0")?;
    space.ip("link set c0 up")?;
    space.ip("route add default via 10.77.0.1")?;
    let table = space.table()?;
    assert!(table.contains("c0 is counted instead"), "{table}");
    assert!(table.contains("--network host"), "{table}");
    Ok(())
}
