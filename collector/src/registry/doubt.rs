//! What became of changes that DuckDB says have failed: a commit may be durable all
//! the same, and what is known here must be what the next start finds.

use duckdb::Connection;
use parking_lot::MappedMutexGuard;

use super::{ADMIN, Credential, Registry, RegistryError, Revoked, Role, persist};

/// The connection of the registry, held.
type Held<'a> = MappedMutexGuard<'a, Connection>;

/// Makes a change, and holds the connection until what has changed is known here as
/// well. An error lets go of it: what is stored is looked at over the same one.
pub(super) fn change(
    connection: Held<'_>,
    change: impl FnOnce(&Connection) -> duckdb::Result<()>,
) -> duckdb::Result<Held<'_>> {
    change(&connection)?;
    Ok(connection)
}

impl Registry {
    /// Lets an error of a removal pass where the service is gone all the same.
    pub(super) fn must_be_gone(
        &self,
        number: i32,
        error: duckdb::Error,
    ) -> Result<(), RegistryError> {
        match self.connection.after(&error, |connection| persist::holds(connection, number)) {
            Ok(false) => Ok(()),
            _ => Err(error.into()),
        }
    }

    /// Lets an error of a change pass where this password is stored all the same, and
    /// takes it up while nobody sets another one.
    pub(super) fn must_be_set(
        &self,
        hash: String,
        error: duckdb::Error,
    ) -> Result<(), RegistryError> {
        let set = self.connection.after(&error, |connection| {
            let set = persist::password_hash(connection, ADMIN)?.as_ref() == Some(&hash);
            if set {
                self.take_up_password(hash);
            }
            Ok(set)
        });
        if set.unwrap_or(false) { Ok(()) } else { Err(error.into()) }
    }

    /// Lets an error of a change pass where this credential is stored all the same.
    pub(super) fn must_hold(
        &self,
        fresh: &Credential,
        error: duckdb::Error,
    ) -> Result<(), RegistryError> {
        self.read_credentials(&error);
        let stored = self.credentials.read().iter().any(|known| known.hash == fresh.hash);
        if stored { Ok(()) } else { Err(error.into()) }
    }

    /// Takes up the credentials that are stored, after a change of them that failed.
    /// Where they cannot be read, what is known holds.
    pub(super) fn read_credentials(&self, error: &duckdb::Error) {
        let read = self.connection.after(error, |connection| {
            let stored = persist::credentials(connection)?;
            let mut known = self.credentials.write();
            let before = std::mem::take(&mut *known);
            let (operators, before): (Vec<_>, Vec<_>) =
                before.into_iter().partition(|c| c.role == Role::Operator);
            *known = [operators, stored].concat();
            let gone = before.into_iter().filter(|old| known.iter().all(|c| c.hash != old.hash));
            Ok(gone.collect::<Vec<_>>())
        });
        for credential in read.unwrap_or_default() {
            self.tell(Revoked::Credential(&credential));
        }
    }
}
