//! What people may call a credential, and choose as a password.

use komandorr_collector::registry::{ADMIN, Role};

use crate::error::Failure;

/// Longest name, in characters.
const LONGEST_NAME: usize = 64;
/// Shortest and longest password, in characters.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=1000;
/// Longest password in bytes: a character of UTF-8 has up to four.
pub(super) const LONGEST_PASSWORD_BYTES: usize = 4 * *PASSWORD.end();

/// A name that fits into Basic, MQTT and a path alike.
pub(crate) fn credential_name(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > LONGEST_NAME || !begins_well || !name.chars().all(fits) {
        return Err(Failure::invalid(format!(
            "name must begin with a letter or digit and have up to {LONGEST_NAME} letters, digits, -, _, . and @"
        )));
    }
    if [ADMIN, Role::Operator.as_str()].contains(&name) {
        return Err(Failure::invalid(format!("name must not be \"{name}\", which is taken")));
    }
    Ok(name.to_owned())
}

/// A password that is not too easy to guess.
pub(crate) fn new_password(password: &str) -> Result<String, Failure> {
    let (length, shortest, longest) = (password.chars().count(), PASSWORD.start(), PASSWORD.end());
    if PASSWORD.contains(&length) {
        Ok(password.to_owned())
    } else {
        let message =
            format!("password must have {shortest} to {longest} characters, not {length}");
        Err(Failure::invalid(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_every_protocol() {
        assert_eq!(credential_name(" home.assistant@attic ").unwrap(), "home.assistant@attic");
        let long = "a".repeat(65);
        for wrong in ["", "-a", "a:b", "a/b", "a b", "ü", "..", "admin", "operator", &long] {
            assert!(credential_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn passwords_are_counted_in_characters_and_never_shown() {
        assert!(new_password("ääääääää").is_ok());
        // What is taken can be shown at the next login.
        let longest = "𐍈".repeat(1000);
        assert!(new_password(&longest).is_ok() && longest.len() <= LONGEST_PASSWORD_BYTES);
        let error = new_password("hunter2").unwrap_err().message;
        assert!(error.contains("8 to 1000") && !error.contains("hunter2"), "{error}");
    }
}
