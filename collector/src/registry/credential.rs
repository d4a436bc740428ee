//! Tokens of agents, readers and scripts: shown once, kept as hashes.

use std::{fmt, time::Duration};

use duckdb::Connection;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Registry, RegistryError, doubt::change, now, persist};

/// Random bytes in a token: more than anybody can guess.
const TOKEN_BYTES: usize = 32;

/// How often credentials are looked for whose time is over.
const LOOK_FOR_EXPIRED: Duration = Duration::from_mins(1);

/// The roles of scripts.
const SCRIPTS: [Role; 2] = [Role::ApiRead, Role::ApiManage];

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
    /// A script that reads everything.
    ApiRead,
    /// A script that reads and changes everything.
    ApiManage,
    /// The operator's commands on this machine; never stored.
    Operator,
}

/// A credential that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// An agent's service id, or the name of a reader or script.
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
    pub(super) fn random() -> Self {
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
    /// The word for it, in the database too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reader => "reader",
            Self::ApiRead => "api-read",
            Self::ApiManage => "api-manage",
            Self::Operator => "operator",
        }
    }

    /// The role of a word in the database.
    pub(super) fn named(word: &str) -> Option<Self> {
        let all = [Self::Agent, Self::Reader, Self::ApiRead, Self::ApiManage];
        all.into_iter().find(|role| role.as_str() == word)
    }
}

/// A token has 256 random bits, so a plain hash is as good as a slow one.
pub(super) fn hash(token: &str) -> String {
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
            created_at: now(),
            expires_at: None,
        };
        let until = Timestamp::now().checked_add(grace).unwrap_or(Timestamp::MAX);
        let replaced = change(self.connection.lock()?, |connection| {
            persist::replace_credential(connection, &fresh, until)
        });
        let _alone = match replaced {
            Ok(alone) => alone,
            Err(error) => {
                self.must_hold(&fresh, error)?;
                self.drop_expired();
                return Ok(token);
            }
        };
        for old in self.credentials.write().iter_mut().filter(|c| c.is(Role::Agent, id.as_str())) {
            old.expires_at = Some(old.expires_at.map_or(until, |at| at.min(until)));
        }
        self.drop_expired();
        self.credentials.write().push(fresh);
        Ok(token)
    }

    /// Drops the credentials whose time is over, and tells of them.
    fn drop_expired(&self) {
        let now = Timestamp::now();
        if self.credentials.read().iter().any(|credential| !credential.valid(now)) {
            self.drop_credentials(|credential| !credential.valid(now));
        }
    }

    /// Watches the time of credentials until `stop`: connections that an old
    /// token opened end with its grace.
    pub async fn watch_expiry(&self, stop: CancellationToken) {
        let mut clock = interval(LOOK_FOR_EXPIRED);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(clock.tick()).await.is_some() {
            self.drop_expired();
        }
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
        self.grant(&[Role::Reader], Role::Reader, name, bound.transpose()?)
    }

    /// Makes a script's credential, which may change things or only read.
    pub fn create_script(&self, name: &str, manages: bool) -> Result<Token, RegistryError> {
        self.grant(&SCRIPTS, if manages { Role::ApiManage } else { Role::ApiRead }, name, None)
    }

    /// Makes a credential whose name is free among these roles.
    fn grant(
        &self,
        among: &[Role],
        role: Role,
        name: &str,
        service_no: Option<i32>,
    ) -> Result<Token, RegistryError> {
        let connection = self.connection.lock()?;
        if self.credentials.read().iter().any(|c| c.is_one_of(among) && c.name == name) {
            return Err(RegistryError::Exists(name.to_owned()));
        }
        let token = Token::random();
        let fresh = Credential {
            name: name.to_owned(),
            role,
            service_no,
            hash: hash(token.expose()),
            created_at: now(),
            expires_at: None,
        };
        match change(connection, |connection| persist::insert_credential(connection, &fresh)) {
            Ok(_alone) => self.credentials.write().push(fresh),
            Err(error) => self.must_hold(&fresh, error)?,
        }
        Ok(token)
    }

    /// Lets in the operator's commands with a token from outside, as long as
    /// this process runs.
    pub fn admit_operator(&self, token: &str) {
        self.credentials.write().push(Credential {
            name: Role::Operator.as_str().to_owned(),
            role: Role::Operator,
            service_no: None,
            hash: hash(token),
            created_at: now(),
            expires_at: None,
        });
    }

    /// Takes a reader's credential back.
    pub fn remove_reader(&self, name: &str) -> Result<(), RegistryError> {
        self.revoke(&[Role::Reader], name)
    }

    /// Takes a script's credential back.
    pub fn remove_script(&self, name: &str) -> Result<(), RegistryError> {
        self.revoke(&SCRIPTS, name)
    }

    fn revoke(&self, roles: &[Role], name: &str) -> Result<(), RegistryError> {
        let connection = self.connection.lock()?;
        let goes = |c: &Credential| c.is_one_of(roles) && c.name == name;
        if !self.credentials.read().iter().any(goes) {
            return Err(RegistryError::Unknown(name.to_owned()));
        }
        let remove = |connection: &Connection| {
            roles.iter().try_for_each(|role| persist::remove_credential(connection, *role, name))
        };
        match change(connection, remove) {
            Ok(_alone) => self.drop_credentials(goes),
            Err(error) => {
                self.read_credentials(&error);
                if self.credentials.read().iter().any(goes) {
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// The credentials of readers, by name.
    pub fn readers(&self) -> Vec<Credential> {
        self.of_roles(&[Role::Reader])
    }

    /// The credentials of scripts, by name.
    pub fn scripts(&self) -> Vec<Credential> {
        self.of_roles(&SCRIPTS)
    }

    fn of_roles(&self, roles: &[Role]) -> Vec<Credential> {
        let known = self.credentials.read();
        let mut found: Vec<_> = known.iter().filter(|c| c.is_one_of(roles)).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Whether a text is the valid token of a service's agent.
    pub fn agent_may(&self, service: &str, token: &str) -> bool {
        self.named(service, token).is_some_and(|credential| credential.role == Role::Agent)
    }

    /// The credential that a name and a token belong to.
    pub fn named(&self, name: &str, token: &str) -> Option<Credential> {
        self.by_token(token).filter(|credential| credential.name == name)
    }

    /// The credential that a token belongs to, whatever its name.
    pub fn by_token(&self, token: &str) -> Option<Credential> {
        let (now, given) = (Timestamp::now(), hash(token));
        let known = self.credentials.read();
        let mut valid = known.iter().filter(|c| c.valid(now));
        valid.find(|c| c.hash.as_bytes().ct_eq(given.as_bytes()).into()).cloned()
    }
}

impl Credential {
    fn is(&self, role: Role, name: &str) -> bool {
        self.role == role && self.name == name
    }

    fn is_one_of(&self, roles: &[Role]) -> bool {
        roles.contains(&self.role)
    }

    fn valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|until| now < until)
    }
}
