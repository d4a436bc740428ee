//! `komandorr demo`: the real thing in a temporary folder, with a real agent
//! for this machine and, where asked for, simulated services beside it.

mod day_curve;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use komandorr_agent::{Config as AgentConfig, Source, source};
use komandorr_collector::{Registry, registry::ServiceDetails};
use komandorr_wire::ServiceId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    listen::bind_or_free,
    serve::{Listeners, Server, until_signalled},
    settings::Settings,
    source::Mqtt,
};
use day_curve::SimulatedHost;

/// A demonstration should move: faster than the default of five seconds.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs the demonstration until a signal.
pub(crate) async fn demo(mut settings: Settings, simulated: u16) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("komandorr-demo-")
        .tempdir()
        .context("cannot make a temporary folder for the demo")?;
    for_this_machine_alone(&mut settings);
    settings.storage.path = folder.path().join("komandorr.duckdb");
    let tcp = bind_or_free(settings.mqtt.listen, "mqtt.listen").await?;
    let mqtt = tcp.local_addr()?;
    let listeners = Listeners {
        http: bind_or_free(settings.http.listen, "http.listen").await?,
        http_tls: None,
        mqtt: Mqtt::Embedded { tcp, tls: None },
    };
    until_signalled(async |stop| {
        let starting = Server::start(&settings, listeners);
        let Some(server) = stop.run_until_cancelled(starting).await else { return Ok(()) };
        let server = server?;
        describe(&server.registry(), simulated)?;
        let mut agents = JoinSet::new();
        start_agents(&mut agents, folder.path(), mqtt, simulated, &stop)?;
        announce(server.http, mqtt, simulated)?;
        // The agents say farewell to a broker that is still there.
        let server_stop = CancellationToken::new();
        let stopped = server_stop.clone();
        let agents_first = async {
            stop.cancelled().await;
            while let Some(ended) = agents.join_next().await {
                if let Ok(Err(error)) = ended {
                    tracing::warn!("an agent of the demo: {error:#}");
                }
            }
            stopped.cancel();
        };
        let (ended, ()) = tokio::join!(server.run(server_stop), agents_first);
        ended
    })
    .await
}

/// Whatever the settings of a real server say, the demonstration is open to
/// people on this machine and to nobody else, and touches nothing of that server.
fn for_this_machine_alone(settings: &mut Settings) {
    for address in [&mut settings.http.listen, &mut settings.mqtt.listen] {
        if !address.ip().is_loopback() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
    }
    (settings.http.tls_cert, settings.http.tls_key) = Default::default();
    let fresh = Settings::default();
    settings.http.trusted_proxies = fresh.http.trusted_proxies;
    (settings.access, settings.admin) = (fresh.access, fresh.admin);
}

fn announce(http: SocketAddr, mqtt: SocketAddr, simulated: u16) -> io::Result<()> {
    let beside = match simulated {
        0 => String::new(),
        1 => " and one simulated service".to_owned(),
        n => format!(" and {n} simulated services"),
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n  Komandorr shows this machine's traffic{beside} at\n\n      http://{http}\n"
    )?;
    writeln!(out, "  MQTT is at {mqtt}. Everything is temporary; Ctrl-C ends it.\n")
}

/// Names and groups for the simulated services, as a person would give them.
fn describe(registry: &Registry, simulated: u16) -> anyhow::Result<()> {
    for number in 0..simulated {
        let host = SimulatedHost::of(number);
        let details = ServiceDetails {
            name: host.name(),
            group: Some(host.group().to_owned()),
            ..ServiceDetails::default()
        };
        registry.register(&host.id()?, details)?;
    }
    Ok(())
}

fn start_agents(
    agents: &mut JoinSet<anyhow::Result<()>>,
    folder: &Path,
    mqtt: SocketAddr,
    simulated: u16,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let config = |service: ServiceId| -> anyhow::Result<AgentConfig> {
        let state = folder.join("agents").join(service.as_str());
        let config = AgentConfig::new(format!("mqtt://{mqtt}").parse()?, service, state);
        Ok(AgentConfig { interval: INTERVAL, ..config })
    };
    let own = ServiceId::from_host_name(&host_name());
    let start = |config: AgentConfig, source: Box<dyn Source>| {
        komandorr_agent::run(config, source, stop.clone())
    };
    agents.spawn(start(config(own)?, source::system()));
    for number in 0..simulated {
        let host = SimulatedHost::of(number);
        agents.spawn(start(config(host.id()?)?, host.source()));
    }
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" | "(none)" => "this-machine".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_real_server_do_not_open_the_demonstration() {
        let mut settings = Settings::default();
        settings.http.listen = "0.0.0.0:3000".parse().unwrap();
        settings.mqtt.listen = "[::]:1883".parse().unwrap();
        settings.access.trust_loopback = false;
        for_this_machine_alone(&mut settings);
        assert_eq!(settings.http.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(settings.mqtt.listen.to_string(), "127.0.0.1:1883");
        assert_eq!(settings.access, Settings::default().access);
    }
}
