//! Credentials that the server makes or takes at its start: the
//! administrator's password, the operator's token, and agents' tokens that are
//! handed over as files.

mod secret_file;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use komandorr_collector::{
    Registry,
    registry::{ADMIN, RegistryError, ServiceDetails},
};
use komandorr_config::Secret;
use komandorr_wire::ServiceId;

use crate::settings::Settings;

/// Shortest password that a person may set, in characters.
pub(crate) const SHORTEST_PASSWORD: usize = 8;

/// Random characters of a made password: some 95 bits.
const MADE_PASSWORD: usize = 16;
/// Those that nobody mixes up.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Where a server with this database keeps the operator's token.
pub(crate) fn operator_token_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".operator-token");
    name.into()
}

/// Makes and takes everything that the settings ask for.
pub(crate) fn prepare(settings: &Settings, registry: &Registry) -> anyhow::Result<()> {
    password(settings, registry)?;
    let path = operator_token_file(&settings.storage.path);
    let token = secret_file::keep(&path)
        .with_context(|| format!("cannot keep the operator's token in {}", path.display()))?;
    registry.admit_operator(&token);
    for (service, file) in &settings.access.agent_token_files.0 {
        hand_over(registry, service, file).with_context(|| {
            format!("cannot hand over the token of {service} in {}", file.display())
        })?;
    }
    Ok(())
}

/// The administrator's password: the one of the settings, or one that is made
/// where somebody might have to log in and there is none.
fn password(settings: &Settings, registry: &Registry) -> anyhow::Result<()> {
    let given = settings.admin.password()?;
    if let Some(given) = given {
        if !registry.password_is(given.expose()) {
            let replaces = registry.has_password();
            registry.set_password(given.expose())?;
            if replaces {
                tracing::warn!(
                    "the password of {ADMIN} is now the one of the settings; all sessions have ended"
                );
            }
        }
        return Ok(());
    }
    if settings.trusts_everybody() || registry.has_password() {
        return Ok(());
    }
    let made = random_password();
    registry.set_password(&made)?;
    let line = format!(
        "log in as {ADMIN} with the password {made} (it is shown this once; komandorr password makes another)"
    );
    if tracing::enabled!(tracing::Level::WARN) {
        tracing::warn!("{line}");
    } else {
        // Whatever is logged: nobody could log in.
        writeln!(io::stderr(), "{line}").context("telling the password that was made")?;
    }
    Ok(())
}

/// A password that nobody can guess.
pub(crate) fn random_password() -> String {
    use rand::seq::IndexedRandom;
    let mut rng = rand::rng();
    (0..MADE_PASSWORD).filter_map(|_| ALPHABET.choose(&mut rng)).copied().map(char::from).collect()
}

/// Refuses a password that is too easy to guess.
pub(crate) fn check_password(password: &Secret, what: &str) -> anyhow::Result<()> {
    let length = password.expose().chars().count();
    ensure!(
        (SHORTEST_PASSWORD..=1000).contains(&length),
        "{what} must have {SHORTEST_PASSWORD} to 1000 characters, not {length}"
    );
    Ok(())
}

/// Registers a service and writes its agent's token to a file, unless a valid
/// one is there.
fn hand_over(registry: &Registry, service: &ServiceId, file: &Path) -> anyhow::Result<()> {
    match registry.register(service, ServiceDetails::default()) {
        Ok(_) | Err(RegistryError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let present = secret_file::read(file)?;
    if present.is_some_and(|token| registry.agent_may(service.as_str(), &token)) {
        return Ok(());
    }
    let token = registry.rotate_token(service, std::time::Duration::ZERO)?;
    secret_file::write(file, token.expose(), secret_file::GROUP_READS)?;
    tracing::info!(%service, file = %file.display(), "the agent's token is handed over");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_long_and_another_every_time() {
        let (one, other) = (random_password(), random_password());
        assert_eq!(one.len(), MADE_PASSWORD);
        assert_ne!(one, other);
        check_password(&Secret::new(one), "it").unwrap();
    }
}
