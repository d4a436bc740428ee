//! The administrator's password: kept as argon2id, which takes its time and
//! 19 MiB on purpose. Everything here that hashes blocks for some ten
//! milliseconds: call it off the async threads.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Registry, RegistryError, doubt::change, persist};

/// The one account with a password.
pub const ADMIN: &str = "admin";

/// The administrator's password, as far as it is known.
#[derive(Debug)]
pub(super) struct Password {
    /// As a PHC string; `None`: none was ever set.
    hash: Mutex<Option<String>>,
    /// Digest of a password that was right, with the hash that it was right
    /// for: who proves it again and again need not pay again and again. The
    /// key is made at the start and leaves this process never.
    proven: Mutex<Option<(String, [u8; 32])>>,
    key: [u8; 32],
}

impl Password {
    pub(super) fn new(hash: Option<String>) -> Self {
        Self { hash: Mutex::new(hash), proven: Mutex::new(None), key: rand::random() }
    }

    fn digest(&self, password: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(password.as_bytes());
        hasher.finalize().into()
    }
}

impl Registry {
    /// Whether the administrator has a password.
    pub fn has_password(&self) -> bool {
        self.password.hash.lock().is_some()
    }

    /// Sets the administrator's password, and ends all sessions.
    pub fn set_password(&self, password: &str) -> Result<(), RegistryError> {
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| RegistryError::Store(format!("hashing failed: {error}")))?
            .to_string();
        let set = change(self.connection.lock()?, |connection| {
            persist::set_password(connection, ADMIN, &hash, Timestamp::now())
        });
        match set {
            Ok(_alone) => self.take_up_password(hash),
            Err(error) => self.must_be_set(hash, error)?,
        }
        Ok(())
    }

    /// Knows another password, and ends all sessions.
    pub(super) fn take_up_password(&self, hash: String) {
        *self.password.hash.lock() = Some(hash);
        self.sessions.write().clear();
    }

    /// Whether this is the administrator's password.
    pub fn password_is(&self, password: &str) -> bool {
        let Some(hash) = self.password.hash.lock().clone() else { return false };
        let right = PasswordHash::new(&hash).is_ok_and(|parsed| {
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        });
        if right {
            *self.password.proven.lock() = Some((hash, self.password.digest(password)));
        }
        right
    }

    /// Whether this password was right a while ago and still is; answers at
    /// once, and says no where it cannot know.
    pub fn password_is_proven(&self, password: &str) -> bool {
        let proven = self.password.proven.lock();
        let Some((hash, digest)) = &*proven else { return false };
        let same: bool = digest.ct_eq(&self.password.digest(password)).into();
        same && self.password.hash.lock().as_ref() == Some(hash)
    }
}
