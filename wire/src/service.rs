//! Service ids: the name under which a host's traffic travels and is stored.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest service id in bytes (they are ASCII, so also in characters).
const MAX_LEN: usize = 64;

/// Ids that are words of the API's own paths below `/api/traffic/`.
pub const RESERVED: [&str; 8] =
    ["current", "history", "summary", "update", "ws", "stream", "export", "analytics"];

/// The id of a monitored service: `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`, none of
/// the [`RESERVED`] words. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId(Arc<str>);

/// Why a text is no service id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServiceId {
    /// Empty, too long, or with a character that topics and paths cannot carry.
    #[error(
        "\"{0}\" is no service id: 1 to 64 letters, digits, '-' and '_' are allowed, beginning with a letter or digit"
    )]
    Form(String),
    /// A word that the API's paths use themselves.
    #[error("\"{0}\" is reserved: choose another service id")]
    Reserved(String),
}

impl ServiceId {
    /// Checks a text and takes it as a service id.
    pub fn new(text: &str) -> Result<Self, InvalidServiceId> {
        // Long garbage is cut, so that errors and logs stay readable.
        let shown = || text.chars().take(MAX_LEN + 1).collect();
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !first || !rest || text.len() > MAX_LEN {
            return Err(InvalidServiceId::Form(shown()));
        }
        if RESERVED.contains(&text) {
            return Err(InvalidServiceId::Reserved(shown()));
        }
        Ok(Self(text.into()))
    }

    /// Makes an id of a host name or any other text: what is not allowed
    /// becomes `-`, what is too long is cut, nothing usable becomes `host`.
    pub fn from_host_name(host: &str) -> Self {
        let mapped: String = host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .collect();
        let trimmed: String =
            mapped.trim_matches(|c| c == '-' || c == '_').chars().take(MAX_LEN).collect();
        if trimmed.is_empty() {
            return Self("host".into());
        }
        Self::new(&trimmed)
            .or_else(|_| Self::new(&format!("host-{trimmed}")))
            .unwrap_or_else(|_| Self("host".into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl AsRef<str> for ServiceId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ServiceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = InvalidServiceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for ServiceId {
    type Error = InvalidServiceId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<ServiceId> for String {
    fn from(id: ServiceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_contract_are_taken() {
        for text in ["a", "0", "web-1", "Web_1", &"x".repeat(64), "a--", "currents"] {
            assert_eq!(ServiceId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "-a", "_a", "a b", "a/b", "a+", "#", "é", "a\0", &"x".repeat(65), "."] {
            assert!(matches!(ServiceId::new(text), Err(InvalidServiceId::Form(_))), "{text:?}");
        }
        for text in RESERVED {
            assert!(matches!(ServiceId::new(text), Err(InvalidServiceId::Reserved(_))));
        }
    }

    #[test]
    fn a_host_name_becomes_an_id() {
        let id = |host| String::from(ServiceId::from_host_name(host));
        assert_eq!(id("web-1.example.org"), "web-1-example-org");
        assert_eq!(id("current"), "host-current");
        assert_eq!(id("---"), "host");
        assert_eq!(id("ä"), "host");
        assert_eq!(id(&"y".repeat(300)), "y".repeat(64));
    }

    proptest::proptest! {
        #[test]
        fn any_host_name_becomes_a_valid_id(host in ".*") {
            let id = ServiceId::from_host_name(&host);
            proptest::prop_assert_eq!(ServiceId::new(id.as_str()).unwrap(), id);
        }
    }
}
