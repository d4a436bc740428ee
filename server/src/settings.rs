//! All settings together, and what is impossible among them.

mod access;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use jiff::tz::TimeZone;
use komandorr_broker::Tls;
use komandorr_collector::BrokerUrl;
use komandorr_config::{Impossible, logging};
use serde::{Deserialize, Deserializer, de::Error};

use crate::home_assistant;
use access::{Access, Admin};

/// Least time for which hours are kept: longer than a month.
const LEAST_KEPT: Duration = Duration::from_hours(32 * 24);

/// Everything that `komandorr.toml` holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) http: komandorr_web::Config,
    pub(crate) mqtt: Mqtt,
    pub(crate) limits: komandorr_broker::Config,
    pub(crate) storage: komandorr_collector::Config,
    pub(crate) access: Access,
    pub(crate) admin: Admin,
    pub(crate) home_assistant: home_assistant::Config,
    pub(crate) site: Site,
    pub(crate) metrics: komandorr_web::MetricsConfig,
    pub(crate) log: Log,
}

/// Section `[mqtt]`: which broker, and the doors of the embedded one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mqtt {
    pub(crate) broker: MqttBroker,
    pub(crate) listen: SocketAddr,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) tls_listen: Option<SocketAddr>,
    pub(crate) tls_cert: PathBuf,
    pub(crate) tls_key: PathBuf,
}

/// Which broker samples come through.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum MqttBroker {
    /// Our own, in this process: `embedded`.
    #[default]
    Embedded,
    /// Another one, whose client the server becomes: its URL.
    Other(BrokerUrl),
}

impl<'de> Deserialize<'de> for MqttBroker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "embedded" => Ok(Self::Embedded),
            url => url.parse().map(Self::Other).map_err(|error| {
                D::Error::custom(format!(
                    "neither \"embedded\" nor the URL of another broker: {error}"
                ))
            }),
        }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: MqttBroker::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            tls_listen: None,
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
        }
    }
}

/// Section `[site]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Site {
    pub(crate) time_zone: String,
}

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: logging::Format,
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: logging::Format::default(), filter: "info,rumqttd=off".to_owned() }
    }
}

impl Settings {
    /// Refuses what no single type can refuse.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        if self.storage.samples_per_service == 0 {
            return Err(Impossible::new("storage.samples_per_service", "must be at least 1"));
        }
        if self.storage.keep_hours < LEAST_KEPT {
            let reason = "must be at least 32 days: the volume of a month is made of them";
            return Err(Impossible::new("storage.keep_hours", reason));
        }
        logging::filter(&self.log.filter)
            .map_err(|error| Impossible::new("log.filter", error.to_string()))?;
        self.limits.check().map_err(|wrong| wrong.of("limits"))?;
        self.admin.password()?;
        self.home_assistant.check().map_err(|wrong| wrong.of("home_assistant"))?;
        self.zone().map(drop)
    }

    /// Whether nobody will ever have to show a credential: every listener is
    /// on a loopback address and trusts it, and no proxy stands in front.
    pub(crate) fn trusts_everybody(&self) -> bool {
        let mqtt = match self.mqtt.broker {
            MqttBroker::Embedded => [Some(self.mqtt.listen), self.mqtt.tls_listen],
            MqttBroker::Other(_) => [None, None],
        };
        let listeners = mqtt.into_iter().flatten().chain([self.http.listen]);
        self.http.trusted_proxies.is_empty() && listeners.into_iter().all(|at| self.trusts(at))
    }

    /// The embedded broker's settings.
    pub(crate) fn broker(&self) -> komandorr_broker::Config {
        komandorr_broker::Config {
            discovery_prefix: self.home_assistant.prefix().map(str::to_owned),
            ..self.limits.clone()
        }
    }

    /// Whether a listener lets in whoever reaches it.
    pub(crate) fn trusts(&self, listen: SocketAddr) -> bool {
        self.access.trust_loopback && listen.ip().is_loopback()
    }

    /// The time zone in which days are cut.
    pub(crate) fn zone(&self) -> Result<TimeZone, Impossible> {
        match self.site.time_zone.as_str() {
            "" => Ok(TimeZone::system()),
            name => TimeZone::get(name).ok().ok_or_else(|| {
                let reason =
                    format!("\"{name}\" is no time zone: write one such as \"Europe/Berlin\"");
                Impossible::new("site.time_zone", reason)
            }),
        }
    }

    /// The certificate of the TLS door, where there is one.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<(SocketAddr, Tls)>> {
        let Some(listen) = self.mqtt.tls_listen else { return Ok(None) };
        let (cert, key) = (&self.mqtt.tls_cert, &self.mqtt.tls_key);
        ensure!(
            !cert.as_os_str().is_empty() && !key.as_os_str().is_empty(),
            "mqtt.tls_listen needs mqtt.tls_cert and mqtt.tls_key"
        );
        Ok(Some((listen, Tls::load(cert, key)?)))
    }

    /// The certificate of the site's port, where it speaks TLS.
    pub(crate) fn site_tls(&self) -> anyhow::Result<Option<Tls>> {
        let (cert, key) = (&self.http.tls_cert, &self.http.tls_key);
        ensure!(
            cert.as_os_str().is_empty() == key.as_os_str().is_empty(),
            "http.tls_cert and http.tls_key need each other"
        );
        self.site_certificate().map(|cert| Tls::load(cert, key)).transpose().map_err(Into::into)
    }

    /// Where that certificate is.
    pub(crate) fn site_certificate(&self) -> Option<&Path> {
        Some(self.http.tls_cert.as_path()).filter(|cert| !cert.as_os_str().is_empty())
    }

    /// Begins logging as the settings say.
    pub(crate) fn start_logging(&self) -> anyhow::Result<()> {
        logging::init(self.log.format, &self.log.filter).context("cannot start logging")
    }
}

/// An address, or nothing.
fn unless_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
pub(crate) mod tests {
    use komandorr_config::{DEFAULT_FILE, Sources, load};

    use super::*;

    /// The default file with every setting switched on.
    fn uncommented() -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
            _ => line.to_owned(),
        };
        DEFAULT_FILE.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn loaded(text: &str) -> anyhow::Result<Settings> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, text)?;
        let sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        Ok(load(&sources, Settings::check)?)
    }

    #[test]
    fn the_default_file_shows_the_defaults() {
        assert_eq!(loaded(&uncommented()).unwrap(), Settings::default());
        assert_eq!(loaded(DEFAULT_FILE).unwrap(), Settings::default());
    }

    /// What a fuzzer found worth keeping: settings, or one line that helps.
    #[test]
    fn the_fuzzer_s_corpus_is_loaded_or_refused_in_one_line() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/fuzz/corpus/settings");
        let mut files = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let pairs = |mark: char| -> Vec<(String, String)> {
                let pair = |line: &str| line.strip_prefix(mark)?.split_once('=').map(owned);
                text.lines().filter_map(pair).collect()
            };
            let toml = text.lines().filter(|line| !line.starts_with(['!', '$']));
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, toml.collect::<Vec<_>>().join("\n")).unwrap();
            let (environment, flags) = (pairs('$'), pairs('!'));
            let file = Some(file.path().into());
            let sources = Sources { file, environment, flags, ..Sources::default() };
            if let Err(error) = load(&sources, Settings::check) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
            files += 1;
        }
        assert!(files >= 6, "the corpus in {corpus} is gone");
    }

    fn owned((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn every_setting_is_in_the_default_file() {
        // Keys of the types that the file does not show would be settings that
        // nobody can find: a made-up value of each section lists them.
        for section in [
            "http",
            "mqtt",
            "limits",
            "storage",
            "access",
            "admin",
            "home_assistant",
            "site",
            "metrics",
            "log",
        ] {
            let error = loaded(&format!("[{section}]\nno_such_key = 1")).unwrap_err().to_string();
            let known = error.split("expected ").nth(1).unwrap_or_default();
            for key in known.split('`').skip(1).step_by(2) {
                let shown = format!("#{key} = ");
                assert!(
                    DEFAULT_FILE.contains(&shown),
                    "{section}.{key} is not in the default file"
                );
            }
        }
    }

    #[test]
    fn an_origin_with_a_path_is_none() {
        let error =
            loaded("[http]\ncors_origins = \"https://a.example/x\"").unwrap_err().to_string();
        assert!(error.contains("http.cors_origins") && error.contains("is no origin"), "{error}");
    }

    #[test]
    fn another_broker_is_a_url_and_a_wrong_one_is_named_without_its_password() {
        let url = |text: &str| loaded(&format!("[mqtt]\nbroker = \"{text}\""));
        let MqttBroker::Other(broker) = url("mqtts://me:hunter2@host").unwrap().mqtt.broker else {
            panic!("not taken for another broker");
        };
        assert_eq!(broker.to_string(), "mqtts://host:8883");
        for wrong in ["mqttx://me:hunter2@host", "mqtt://me:hunter2@host:x", "hunter2"] {
            let error = url(wrong).unwrap_err().to_string();
            assert!(error.contains("mqtt.broker") && !error.contains("hunter2"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn who_is_trusted_follows_from_the_listeners() {
        let trusts = |text: &str| loaded(text).unwrap().trusts_everybody();
        assert!(trusts(""));
        assert!(!trusts("[http]\nlisten = \"0.0.0.0:3000\""));
        assert!(!trusts("[mqtt]\nlisten = \"[::]:1883\""));
        assert!(!trusts("[mqtt]\ntls_listen = \"192.0.2.1:8883\""));
        assert!(!trusts("[http]\ntrusted_proxies = \"127.0.0.1\""));
        assert!(!trusts("[access]\ntrust_loopback = false"));
    }

    #[test]
    fn an_unknown_time_zone_is_named() {
        let error = loaded("[site]\ntime_zone = \"Mars/Base\"").unwrap_err();
        assert!(error.to_string().contains("`site.time_zone`: \"Mars/Base\""), "{error}");
    }

    #[test]
    fn an_impossible_limit_is_named_like_any_setting() {
        let error = loaded("[limits]\npacket_size = 10").unwrap_err().to_string();
        assert!(error.contains("`limits.packet_size`: must be 1KiB"), "{error}");
    }
}
