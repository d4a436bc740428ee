//! Who is trusted, and the credentials that settings hold.

use std::path::PathBuf;

use komandorr_config::{Impossible, Secret};
use komandorr_wire::ServiceId;
use serde::{Deserialize, Deserializer, de::Error};

use crate::credentials::check_password;

/// Section `[access]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    pub(crate) trust_loopback: bool,
    pub(crate) agent_token_files: TokenFiles,
}

impl Default for Access {
    fn default() -> Self {
        Self { trust_loopback: true, agent_token_files: TokenFiles::default() }
    }
}

/// Services with the files that their agents' tokens are written to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TokenFiles(pub(crate) Vec<(ServiceId, PathBuf)>);

impl<'de> Deserialize<'de> for TokenFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let one = |part: &str| {
            let (id, file) = part
                .split_once('=')
                .ok_or_else(|| D::Error::custom(format!("\"{part}\" is not ID=FILE")))?;
            let id = ServiceId::new(id.trim()).map_err(D::Error::custom)?;
            Ok((id, PathBuf::from(file.trim())))
        };
        parts.map(one).collect::<Result<_, _>>().map(Self)
    }
}

/// Section `[admin]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    password: Secret,
    password_file: PathBuf,
}

impl Admin {
    /// The administrator's password, where the settings give it.
    pub(crate) fn password(&self) -> Result<Option<Secret>, Impossible> {
        if !self.password.is_empty() {
            check_password(&self.password, "it")
                .map_err(|error| Impossible::new("admin.password", error.to_string()))?;
            return Ok(Some(self.password.clone()));
        }
        let path = &self.password_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let refused = |reason| Impossible::new("admin.password_file", reason);
        let text = std::fs::read_to_string(path)
            .map_err(|error| refused(format!("cannot read {}: {error}", path.display())))?;
        let password = Secret::new(text.trim_end_matches(['\r', '\n']));
        check_password(&password, "the password in it")
            .map_err(|error| refused(error.to_string()))?;
        Ok(Some(password))
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::tests::loaded;

    #[test]
    fn a_password_that_cannot_be_is_refused_and_never_shown() {
        for wrong in ["[admin]\npassword = \"hunter2\"", "[admin]\npassword = 1234567"] {
            let error = loaded(wrong).unwrap_err().to_string();
            assert!(error.contains("`admin.password`: it must have 8"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("1234567"), "{error}");
        }
        let missing = loaded("[admin]\npassword_file = \"/no/such/file\"").unwrap_err().to_string();
        assert!(missing.contains("`admin.password_file`: cannot read /no/such/file"), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, " with spaces \n").unwrap();
        let settings = loaded(&format!("[admin]\npassword_file = \"{}\"", file.path().display()));
        let password = settings.unwrap().admin.password().unwrap().unwrap();
        assert_eq!(password.expose(), " with spaces ");
    }

    #[test]
    fn token_files_are_ids_with_paths() {
        let files = |text: &str| loaded(&format!("[access]\nagent_token_files = \"{text}\""));
        let two = files("edge-1=/run/a, host = /run/b").unwrap().access.agent_token_files.0;
        let shown: Vec<_> = two.iter().map(|(id, p)| format!("{id} {}", p.display())).collect();
        assert_eq!(shown, ["edge-1 /run/a", "host /run/b"]);
        for wrong in ["edge-1", "a/b=/run/x"] {
            let error = files(wrong).unwrap_err().to_string();
            assert!(error.contains("access.agent_token_files"), "{error}");
        }
    }
}
