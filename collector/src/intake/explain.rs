//! Why there is no connection, in one line for a person.

use std::{error::Error, io};

use rumqttc::v5::{
    ConnectionError, StateError,
    mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode},
};

pub(super) fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Timeout(_) => "no answer in 10 s".to_owned(),
        ConnectionError::ConnectionRefused(code) => refused(*code),
        ConnectionError::MqttState(StateError::ConnFail { reason }) => refused(*reason),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            match reason_code {
                DisconnectReasonCode::SessionTakenOver => {
                    "another server has taken the session over: does it run on a copy of this data folder? Delete the file .mqtt-client beside its database".to_owned()
                }
                code => format!("it ended the connection ({code:?})"),
            }
        }
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => io(error),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "it closed the connection".to_owned()
        }
        other => chain(other),
    }
}

fn refused(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "it refuses the user name and password in mqtt.broker".to_owned()
        }
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion => {
            "it does not speak MQTT 5, which is needed".to_owned()
        }
        code => format!("it refuses the connection ({code:?})"),
    }
}

fn io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused; does it run there?".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "it closed the connection".to_owned()
        }
        _ => chain(error),
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
