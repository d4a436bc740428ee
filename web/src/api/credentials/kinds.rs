//! What is said of readers, tokens and the password, and answered.

use jiff::Timestamp;
use komandorr_collector::registry::{Credential, Role};
use komandorr_wire::ServiceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{error::Failure, site::Site};

/// A reader's credential, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reader {
    /// Its name, and its user name for MQTT.
    #[schema(example = "home-assistant")]
    name: String,
    /// The only service that it reads; `null`: all.
    #[schema(value_type = Option<String>, required, example = "edge-fra-01")]
    service: Option<ServiceId>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What a script may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Read everything.
    Read,
    /// Read and change everything.
    Manage,
}

/// A script's token, without the token itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Script {
    /// Its name.
    #[schema(example = "billing")]
    name: String,
    /// What it may do.
    scope: Scope,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A reader that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeReader {
    #[serde(flatten)]
    pub(super) reader: Reader,
    /// Shown this once.
    pub(super) token: String,
}

/// A script's token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeScript {
    #[serde(flatten)]
    pub(super) script: Script,
    /// Shown this once.
    pub(super) token: String,
}

/// A reader to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewReader {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    #[schema(pattern = "^ *[A-Za-z0-9][A-Za-z0-9._@-]{0,63} *$", example = "home-assistant")]
    pub(super) name: String,
    /// The only service that it may read; without it all.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01")]
    pub(super) service: Option<String>,
}

/// A script's token to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewScript {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    #[schema(pattern = "^ *[A-Za-z0-9][A-Za-z0-9._@-]{0,63} *$", example = "billing")]
    pub(super) name: String,
    /// What it may do; without it `read`.
    #[serde(default = "reading")]
    pub(super) scope: Scope,
}

fn reading() -> Scope {
    Scope::Read
}

/// The administrator's new password.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    /// The new one.
    #[schema(min_length = 8, max_length = 1000, example = "a-long-sentence-of-yours")]
    pub(super) password: String,
    /// The present one; the operator on this machine need not know it.
    #[schema(example = "the-one-before")]
    pub(super) current: Option<String>,
}

impl Reader {
    pub(crate) fn of(site: &Site, credential: Credential) -> Self {
        let service = credential.service_no.and_then(|number| site.app.registry.by_number(number));
        Self {
            name: credential.name,
            service: service.map(|service| service.id.clone()),
            created_at: credential.created_at,
        }
    }

    /// The one of a name, which has just been made.
    pub(super) fn named(site: &Site, name: &str) -> Result<Self, Failure> {
        let made = site.app.registry.readers().into_iter().find(|reader| reader.name == name);
        made.map(|credential| Self::of(site, credential)).ok_or_else(Failure::internal)
    }
}

impl From<Credential> for Script {
    fn from(credential: Credential) -> Self {
        let scope = match credential.role {
            Role::ApiManage => Scope::Manage,
            _ => Scope::Read,
        };
        Self { name: credential.name, scope, created_at: credential.created_at }
    }
}
