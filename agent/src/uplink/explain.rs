//! Errors of the way to the server, each as one line that says what was
//! attempted, why it failed, and what to do.

mod words;

use std::{error::Error, fmt, io};

use rumqttc::v5::{
    ConnectionError, StateError,
    mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, PubAckReason},
};

use super::Access;
use words::{chain, is_of_the_name, source_io};

/// Advice where nothing can be done but wait.
const AGAIN: &str = "it is tried again; if that goes on, look into the server's log";

/// Which step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A setting that is read at every connect: the token file.
    Setting,
    /// Finding the host's address.
    Resolve,
    /// Reaching its port.
    Connect,
    /// Agreeing on encryption, verifying the server.
    Tls,
    /// Finding MQTT behind the WebSocket.
    WebSocket,
    /// Being let in.
    Credential,
    /// Staying connected.
    Session,
    /// Staying connected, where another agent has the same identity.
    Rival,
}

/// Why there is no connection, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which step failed.
    pub step: Step,
    /// For a person.
    pub text: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Trouble {
    pub(super) fn setting(text: String) -> Self {
        Self { step: Step::Setting, text }
    }
}

/// Explains what happens to a connection.
pub(super) struct Explain<'a> {
    pub(super) access: &'a Access,
    /// The server had let the agent in.
    pub(super) connected: bool,
}

impl Explain<'_> {
    fn trouble(&self, step: Step, why: impl fmt::Display, advice: &str) -> Trouble {
        let attempt = if self.connected { "lost the connection to" } else { "cannot connect to" };
        let text = format!("{attempt} {}: {why}; {advice}", self.access.url);
        Trouble { step, text }
    }

    pub(super) fn stuck(&self) -> Trouble {
        let why = "the server does not take what is sent";
        self.trouble(Step::Session, why, "is the network down, or the server overloaded?")
    }

    pub(super) fn not_taken(&self, reason: PubAckReason) -> Trouble {
        let advice = match reason {
            PubAckReason::NotAuthorized => {
                "the credential must be that of this very service; see --service and --token"
            }
            PubAckReason::NoMatchingSubscribers => {
                "nobody subscribes to them there: is Komandorr connected to that broker?"
            }
            _ => "look into the server's log",
        };
        let why = format!("it does not take this service's samples ({reason:?})");
        self.trouble(Step::Credential, why, advice)
    }

    pub(super) fn error(&self, error: &ConnectionError) -> Trouble {
        match error {
            ConnectionError::Timeout(_) => self.trouble(
                Step::Connect,
                "no answer in 10 s",
                "is the address right, and does a firewall let it through?",
            ),
            ConnectionError::Io(e) => self.io(e),
            ConnectionError::Tls(e) => match source_io(e) {
                Some(e) => self.io(e),
                None => self.tls(&chain(e)),
            },
            ConnectionError::ConnectionRefused(code) => self.refused(*code),
            ConnectionError::MqttState(e) => self.state(e),
            ConnectionError::Websocket(e) => self.websocket(e),
            ConnectionError::ResponseValidation(e) => self.no_mqtt(chain(e)),
            other => self.trouble(Step::Session, chain(other), "look into the server's log"),
        }
    }

    fn io(&self, error: &io::Error) -> Trouble {
        let why = chain(error);
        let ours = error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>);
        if ours || why.contains("certificate") {
            return self.tls(&why);
        }
        if is_of_the_name(&why) {
            let advice = "is the host name right, and does this machine's DNS know it?";
            return self.trouble(Step::Resolve, why, advice);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                let advice = "is komandorr running there, and is the port right?";
                self.trouble(Step::Connect, "connection refused", advice)
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                self.closed("is this port MQTT, and with TLS (mqtts) or without (mqtt)?")
            }
            _ if self.connected => self.trouble(Step::Session, why, AGAIN),
            _ => self.trouble(Step::Connect, why, "is the network up and the address right?"),
        }
    }

    /// The server ends the connection without a word; `advice` for the case that
    /// it never let the agent in.
    fn closed(&self, advice: &str) -> Trouble {
        if self.connected {
            return self.trouble(Step::Session, "the server closed it", AGAIN);
        }
        self.trouble(Step::Session, "the server closed the connection", advice)
    }

    fn tls(&self, why: &str) -> Trouble {
        // The second at which it was verified is another one at each attempt, and
        // would make the same trouble a new one for the log.
        let why = why.split_once(": verification time").map_or(why, |(what, _)| what);
        // Another authority of the same name signed it: a bad signature.
        let advice = if why.contains("UnknownIssuer") || why.contains("BadSignature") {
            "if the server's certificate is its own, give it with --ca FILE"
        } else if why.contains("not valid for name") || why.contains("NotValidForName") {
            "use the name that stands in the server's certificate"
        } else if why.contains("Expired") || why.contains("certificate expired") {
            "the server's certificate has expired: renew it; or is this machine's clock wrong?"
        } else if why.contains("NotValidYet") || why.contains("not valid yet") {
            "this machine's clock is before the certificate's first day: set it, or wait until \
             NTP has"
        } else if why.contains("CaUsedAsEndEntity") {
            return self.trouble(Step::Tls, why, &self.certificate_of_a_server());
        } else {
            "does this port speak TLS, and is its certificate valid?"
        };
        self.trouble(Step::Tls, why, advice)
    }

    /// `openssl req -x509` alone makes an authority, which many programs take
    /// for a server's certificate all the same, and rustls does not.
    fn certificate_of_a_server(&self) -> String {
        let host = &self.access.url.host;
        let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        format!(
            "its certificate is an authority's, not a server's; make one with openssl req -x509 \
             .. -addext basicConstraints=critical,CA:FALSE -addext subjectAltName={kind}:{host}"
        )
    }

    fn websocket(&self, error: &(dyn Error + 'static)) -> Trouble {
        match source_io(error) {
            Some(e) => self.io(e),
            None => self.no_mqtt(chain(error)),
        }
    }

    fn no_mqtt(&self, why: String) -> Trouble {
        let advice = "is this the address of a komandorr site? A proxy before it must pass \
                      WebSockets on";
        self.trouble(Step::WebSocket, why, advice)
    }

    fn refused(&self, code: ConnectReturnCode) -> Trouble {
        match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                let service = &self.access.service;
                let why = format!("the credential of service {service} is refused");
                let advice = format!(
                    "the site's page \"Add a service\" (/add), or POST \
                     /api/services/{service}/token for a service it has, makes a token for \
                     --token"
                );
                self.trouble(Step::Credential, why, &advice)
            }
            ConnectReturnCode::UnsupportedProtocolVersion
            | ConnectReturnCode::RefusedProtocolVersion => {
                self.trouble(Step::Session, "the broker does not speak MQTT 5", "update it")
            }
            code => {
                let why = format!("the server refuses the connection ({code:?})");
                self.trouble(Step::Session, why, "look into the server's log")
            }
        }
    }

    fn state(&self, error: &StateError) -> Trouble {
        match error {
            StateError::Io(e) => self.io(e),
            StateError::ConnFail { reason } => self.refused(*reason),
            StateError::ServerDisconnect { reason_code, reason_string } => {
                let said = reason_string.as_deref().unwrap_or_default();
                let why = format!("the server ended the connection ({reason_code:?}) {said}");
                let (step, advice) = match reason_code {
                    DisconnectReasonCode::NotAuthorized => (
                        Step::Credential,
                        "this service may not publish: is it registered, and the token its own?",
                    ),
                    DisconnectReasonCode::SessionTakenOver => (
                        Step::Rival,
                        "another agent runs with a copy of this agent's state directory",
                    ),
                    _ => (Step::Session, AGAIN),
                };
                self.trouble(step, why.trim_end(), advice)
            }
            StateError::ConnectionAborted => self.closed("does it speak MQTT 5?"),
            StateError::Deserialization(e) if !self.connected => {
                let advice = "is this port MQTT, and with TLS (mqtts) or without (mqtt)?";
                self.trouble(Step::Session, chain(e), advice)
            }
            StateError::AwaitPingResp => {
                let advice = "is the network down, or the server overloaded?";
                self.trouble(Step::Session, "the server has fallen silent", advice)
            }
            other => self.trouble(Step::Session, chain(other), "look into the server's log"),
        }
    }
}

#[cfg(test)]
mod tests;
