//! Why there is no connection, in one line for a person.

use std::{error::Error, io};

use rumqttc::{
    ConnectReturnCode as Code311, ConnectionError as Error311, StateError as State311,
    v5::{
        ConnectionError as Error5, StateError as State5,
        mqttbytes::v5::{ConnectReturnCode as Code5, DisconnectReasonCode},
    },
};

/// The end of a connection, or of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) reason: String,
    pub(super) ending: Ending,
}

/// What an end tells of the broker's version, when it comes before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It says that it does not speak this version.
    Version,
    /// It closed the connection.
    Unanswered,
    /// Nothing.
    Other,
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self { reason, ending: Ending::Other }
    }
}

impl From<&str> for Ended {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

fn closed() -> Ended {
    Ended { reason: "it closed the connection".to_owned(), ending: Ending::Unanswered }
}

fn wrong_version() -> Ended {
    let reason = "it speaks neither MQTT 5 nor 3.1.1".to_owned();
    Ended { reason, ending: Ending::Version }
}

pub(super) fn explain_5(error: &Error5) -> Ended {
    match error {
        Error5::Timeout(_) => "no answer in 10 s".into(),
        Error5::ConnectionRefused(code) => refused_5(*code),
        Error5::MqttState(State5::ConnFail { reason }) => refused_5(*reason),
        Error5::MqttState(State5::ServerDisconnect { reason_code, .. }) => {
            match reason_code {
                DisconnectReasonCode::SessionTakenOver => {
                    "another server has taken the session over: does it run on a copy of this data folder? Delete the file .mqtt-client beside its database".into()
                }
                code => format!("it ended the connection ({code:?})").into(),
            }
        }
        Error5::Io(error) | Error5::MqttState(State5::Io(error)) => io(error),
        Error5::MqttState(State5::ConnectionAborted) => closed(),
        other => chain(other).into(),
    }
}

pub(super) fn explain_311(error: &Error311) -> Ended {
    match error {
        Error311::NetworkTimeout | Error311::FlushTimeout => "no answer in 10 s".into(),
        Error311::ConnectionRefused(code) => match code {
            Code311::BadUserNamePassword | Code311::NotAuthorized => wrong_credential(),
            Code311::RefusedProtocolVersion => wrong_version(),
            code => format!("it refuses the connection ({code:?})").into(),
        },
        Error311::Io(error) | Error311::MqttState(State311::Io(error)) => io(error),
        Error311::MqttState(State311::ConnectionAborted) => closed(),
        other => chain(other).into(),
    }
}

fn refused_5(code: Code5) -> Ended {
    match code {
        Code5::BadUserNamePassword | Code5::NotAuthorized => wrong_credential(),
        Code5::RefusedProtocolVersion | Code5::UnsupportedProtocolVersion => wrong_version(),
        code => format!("it refuses the connection ({code:?})").into(),
    }
}

fn wrong_credential() -> Ended {
    "it refuses the user name and password in mqtt.broker".into()
}

fn io(error: &io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused; does it run there?".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => closed(),
        _ => chain(error).into(),
    }
}

/// An error and its sources in one line, none of them twice.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
