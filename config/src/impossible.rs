//! Values of the right type that cannot be.

/// A setting's value that its type cannot refuse, with what would be possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Impossible {
    /// The setting, as `section.key`.
    pub key: String,
    /// What is wrong with its value, or what it must be.
    pub reason: String,
}

impl Impossible {
    /// Says what is wrong with a setting.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// The same of a key that was named without its section.
    #[must_use]
    pub fn of(self, section: &str) -> Self {
        Self { key: format!("{section}.{}", self.key), ..self }
    }
}
