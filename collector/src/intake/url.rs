//! Where another broker is, and as whom to log in there.

use std::{fmt, str::FromStr};

use komandorr_config::Secret;

/// `mqtt://user:password@host:1883` or `mqtts://…:8883`. Shown without the
/// credential.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    secure: bool,
    host: Box<str>,
    port: u16,
    credential: Option<(Box<str>, Secret)>,
}

/// Why a text is no URL of a broker. The text itself is never shown: it may
/// hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBrokerUrl {
    /// No scheme, or one that is not understood.
    #[error(
        "a broker's URL begins with mqtt:// or mqtts://, as in mqtts://user:password@broker.example:8883"
    )]
    Scheme,
    /// No host, or one with characters that no host has.
    #[error("the broker's URL names no valid host, as in mqtt://broker.example:1883")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the broker's URL has no valid port: 1 to 65535 is allowed")]
    Port,
    /// Something after the host.
    #[error("the broker's URL ends after host and port: no path is allowed")]
    Path,
    /// A broken user name or password.
    #[error(
        "the user name or password in the broker's URL is not valid: a % is written %25, and an @ %40"
    )]
    Credential,
}

impl FromStr for BrokerUrl {
    type Err = InvalidBrokerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBrokerUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidBrokerUrl::Scheme)?;
        let (secure, default) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => (false, 1883),
            "mqtts" | "ssl" | "tls" => (true, 8883),
            _ => return Err(InvalidBrokerUrl::Scheme),
        };
        // The last @: a password may hold anything that its owner did not encode.
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let credential = login.map(credential).transpose()?;
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(InvalidBrokerUrl::Path);
        }
        let (host, port) = split_port(place).ok_or(InvalidBrokerUrl::Port)?;
        let port = match port {
            "" => default,
            port => port.parse().ok().filter(|&n| n > 0).ok_or(InvalidBrokerUrl::Port)?,
        };
        let printable = host.bytes().all(|b| b.is_ascii_graphic() && b != b'[' && b != b']');
        if host.is_empty() || !printable {
            return Err(InvalidBrokerUrl::Host);
        }
        Ok(Self { secure, host: host.into(), port, credential })
    }
}

/// Splits `host:port` and `[::1]:port`.
fn split_port(place: &str) -> Option<(&str, &str)> {
    match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            Some((host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?))
        }
        // A bare IPv6 address has more than one colon and no port.
        None if place.matches(':').count() > 1 => Some((place, "")),
        None => Some(place.split_once(':').unwrap_or((place, ""))),
    }
}

/// `user:password`, each percent-encoded where it needs to be.
fn credential(login: &str) -> Result<(Box<str>, Secret), InvalidBrokerUrl> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let user = decoded(user).filter(|user| !user.is_empty());
    let (user, password) = user.zip(decoded(password)).ok_or(InvalidBrokerUrl::Credential)?;
    Ok((user.into(), Secret::new(password)))
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(plain).ok()
}

impl BrokerUrl {
    /// Whether the connection is encrypted and the broker's name verified.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as they stand in a URL.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host as rumqttc takes it: of an IPv6 address it wants brackets,
    /// except where it verifies a certificate.
    pub(super) fn address(&self) -> String {
        let bare = self.secure || !self.host.contains(':');
        if bare { self.host.to_string() } else { format!("[{}]", self.host) }
    }

    pub(super) fn credential(&self) -> Option<(&str, &Secret)> {
        self.credential.as_ref().map(|(user, password)| (&**user, password))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt{}://{}", if self.secure { "s" } else { "" }, self.place())
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match text.parse::<BrokerUrl>() {
            Ok(url) => match url.credential() {
                Some((user, password)) => format!("{url} {user} {}", password.expose()),
                None => url.to_string(),
            },
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn every_form_is_understood() {
        for (text, means) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker/", "mqtts://broker:8883"),
            ("mqtt://me:pass@10.0.0.1:2883", "mqtt://10.0.0.1:2883 me pass"),
            ("mqtts://me:p%40%3A%25@broker", "mqtts://broker:8883 me p@:%"),
            ("mqtt://me:p@/#:x@broker", "mqtt://broker:1883 me p@/#:x"),
            ("mqtt://me@broker", "mqtt://broker:1883 me "),
            ("mqtt://[::1]:2883", "mqtt://[::1]:2883"),
            ("mqtt://::1", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(read(text), means, "{text}");
        }
    }

    #[test]
    fn what_is_no_broker_is_refused_with_the_reason() {
        for (text, reason) in [
            ("broker:1883", "Scheme"),
            ("", "Scheme"),
            ("ws://broker", "Scheme"),
            ("mqtt://", "Host"),
            ("mqtt://me:pass@", "Host"),
            ("mqtt://a b", "Host"),
            ("mqtt://host:0", "Port"),
            ("mqtt://host:70000", "Port"),
            ("mqtt://[::1", "Port"),
            ("mqtt://host/path", "Path"),
            ("mqtt://me:50%@host", "Credential"),
            ("mqtt://:pass@host", "Credential"),
        ] {
            assert_eq!(read(text), reason, "{text}");
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let url: BrokerUrl = "mqtts://me:hunter2@broker".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
        for wrong in ["mqttx://me:hunter2@broker", "mqtt://me:hunter2@broker:x"] {
            let error = wrong.parse::<BrokerUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_shown_reads_the_same(text in "(mqtts?://)?.*") {
            if let Ok(url) = text.parse::<BrokerUrl>() {
                let shown: BrokerUrl = url.to_string().parse().unwrap();
                proptest::prop_assert_eq!(shown.to_string(), url.to_string());
            }
        }
    }
}
