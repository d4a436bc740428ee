//! Tokens of agents and readers: shown once, kept as hashes.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use komandorr_wire::ServiceId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Registry, RegistryError, persist};

/// Random bytes in a token: more than anybody can guess.
const TOKEN_BYTES: usize = 32;

/// A token in plain text, for the one moment in which it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What a credential allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Publishes for its service.
    Agent,
    /// Reads one service, or all.
    Reader,
}

/// A credential that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// An agent's service id, or a reader's name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The service that it is bound to; `None`: all of them.
    pub service_no: Option<i32>,
    /// SHA-256 of the token, in hexadecimal digits.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

impl Token {
    fn random() -> Self {
        let bytes: [u8; TOKEN_BYTES] = rand::random();
        Self(format!("kmd_{}", hex(&bytes)))
    }

    /// The text to hand over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Role {
    /// The word for it in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reader => "reader",
        }
    }
}

/// A token has 256 random bits, so a plain hash is as good as a slow one.
fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl Registry {
    /// Makes a new token for a service's agent; the old ones stay valid for
    /// `grace`.
    pub fn rotate_token(&self, id: &ServiceId, grace: Duration) -> Result<Token, RegistryError> {
        let service =
            self.get(id.as_str()).ok_or_else(|| RegistryError::Unknown(id.to_string()))?;
        let token = Token::random();
        let fresh = Credential {
            name: id.to_string(),
            role: Role::Agent,
            service_no: Some(service.number),
            hash: hash(token.expose()),
            created_at: Timestamp::now(),
            expires_at: None,
        };
        let until = Timestamp::now().checked_add(grace).unwrap_or(Timestamp::MAX);
        let connection = self.connection.lock();
        persist::replace_credential(&connection, &fresh, until)?;
        let mut known = self.credentials.write();
        for old in known.iter_mut().filter(|c| c.is(Role::Agent, id.as_str())) {
            old.expires_at = Some(old.expires_at.map_or(until, |at| at.min(until)));
        }
        known.retain(|credential| credential.valid(Timestamp::now()));
        known.push(fresh);
        Ok(token)
    }

    /// Makes a reader's credential, for one service or for all.
    pub fn create_reader(
        &self,
        name: &str,
        service: Option<&ServiceId>,
    ) -> Result<Token, RegistryError> {
        let bound = service.map(|id| {
            let unknown = || RegistryError::Unknown(id.to_string());
            self.get(id.as_str()).map(|service| service.number).ok_or_else(unknown)
        });
        let connection = self.connection.lock();
        if self.credentials.read().iter().any(|c| c.is(Role::Reader, name)) {
            return Err(RegistryError::Exists(name.to_owned()));
        }
        let token = Token::random();
        let fresh = Credential {
            name: name.to_owned(),
            role: Role::Reader,
            service_no: bound.transpose()?,
            hash: hash(token.expose()),
            created_at: Timestamp::now(),
            expires_at: None,
        };
        persist::insert_credential(&connection, &fresh)?;
        self.credentials.write().push(fresh);
        Ok(token)
    }

    /// Takes a reader's credential back.
    pub fn remove_reader(&self, name: &str) -> Result<(), RegistryError> {
        let connection = self.connection.lock();
        if !self.credentials.read().iter().any(|c| c.is(Role::Reader, name)) {
            return Err(RegistryError::Unknown(name.to_owned()));
        }
        persist::remove_credential(&connection, Role::Reader, name)?;
        self.credentials.write().retain(|credential| !credential.is(Role::Reader, name));
        Ok(())
    }

    /// The credentials of readers.
    pub fn readers(&self) -> Vec<Credential> {
        let known = self.credentials.read();
        known.iter().filter(|credential| credential.role == Role::Reader).cloned().collect()
    }

    /// Whether a text is the valid token of a service's agent.
    pub fn agent_may(&self, service: &str, token: &str) -> bool {
        self.find(Role::Agent, service, token).is_some()
    }

    /// The reader's credential that name and token belong to.
    pub fn reader(&self, name: &str, token: &str) -> Option<Credential> {
        self.find(Role::Reader, name, token)
    }

    /// Compares with every credential of that name, in constant time each.
    fn find(&self, role: Role, name: &str, token: &str) -> Option<Credential> {
        let (now, given) = (Timestamp::now(), hash(token));
        let known = self.credentials.read();
        let mut valid = known.iter().filter(|c| c.is(role, name) && c.valid(now));
        valid.find(|c| c.hash.as_bytes().ct_eq(given.as_bytes()).into()).cloned()
    }
}

impl Credential {
    fn is(&self, role: Role, name: &str) -> bool {
        self.role == role && self.name == name
    }

    fn valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|until| now < until)
    }
}
