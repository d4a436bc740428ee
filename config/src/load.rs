//! Loads settings of any type: default < file < environment < flag.

mod layer;

use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat};
use serde::de::DeserializeOwned;

use crate::Impossible;
use layer::{Layer, known_keys};

/// Every setting with its default and its meaning, all commented out: what
/// `komandorr --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../komandorr.toml");

/// The file that is read from the working folder when none is named.
pub const FILE_NAME: &str = "komandorr.toml";

/// Why settings could not be loaded; one line that names where.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The named file cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No TOML, an unknown key, a wrong type, an impossible value.
    #[error("{0}")]
    Invalid(String),
}

impl LoadError {
    /// Names of keys and variables may hold anything; the message stays one line.
    fn invalid(message: &str) -> Self {
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        Self::Invalid(message.chars().map(plain).collect())
    }
}

/// Where settings come from, beside their types' defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// What stands in place of some of these, as `section.key` and value.
    pub defaults: Vec<(String, String)>,
    /// The settings file; `None`: [`FILE_NAME`] where it exists.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line, as `section.key` and value.
    pub flags: Vec<(String, String)>,
}

/// Loads settings whose type fills in its own defaults, and refuses those of which
/// `check` says that they cannot be.
pub fn load<T: DeserializeOwned>(
    sources: &Sources,
    check: impl FnOnce(&T) -> Result<(), Impossible>,
) -> Result<T, LoadError> {
    let file = read_file(sources.file.as_deref())?;
    let keys = known_keys();
    let environment = Layer::of_environment(&sources.environment, &keys)?;
    let flags = Layer::of_flags(&sources.flags, &keys)?;
    let defaults = Layer::of_flags(&sources.defaults, &keys)?;
    // Where a key's value came from, for errors that config cannot place.
    let origins: Vec<_> = flags.origins().chain(environment.origins()).collect();
    let mut builder = Config::builder().add_source(defaults);
    let mut file_name = FILE_NAME.to_owned();
    if let Some((name, text)) = file {
        check_toml(&name, &text)?;
        builder = builder.add_source(Layer::of_file(&name, &text)?);
        file_name = name;
    }
    let origin = |key: &str| {
        let named = origins.iter().find(|(known, _)| known == key);
        named.map_or(file_name.clone(), |(_, origin)| origin.clone())
    };
    let settings = builder
        .add_source(environment.clone())
        .add_source(flags.clone())
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| placed(&error, origin))?;
    check(&settings).map_err(|wrong| {
        LoadError::invalid(&format!("{}: `{}`: {}", origin(&wrong.key), wrong.key, wrong.reason))
    })?;
    Ok(settings)
}

/// One line that begins with the file, variable or flag that is wrong.
fn placed(error: &ConfigError, origin: impl Fn(&str) -> String) -> LoadError {
    let key = match error {
        ConfigError::At { key: Some(key), .. } | ConfigError::Type { key: Some(key), .. } => key,
        _ => "",
    };
    LoadError::invalid(&match error {
        ConfigError::At { error, .. } => format!("{}: `{key}`: {error}", origin(key)),
        ConfigError::Type { unexpected, expected, .. } => {
            format!("{}: `{key}`: {unexpected} where {expected} is expected", origin(key))
        }
        // No key: a section that does not exist, which only a file can name.
        other => format!("{}: {other}", origin("")),
    })
}

fn read_file(named: Option<&Path>) -> Result<Option<(String, String)>, LoadError> {
    let path = named.unwrap_or(Path::new(FILE_NAME));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoadError::Unreadable { path: path.to_owned(), source }),
    }
}

/// TOML's own parser shows the place over several lines; one line is enough.
fn check_toml(name: &str, text: &str) -> Result<(), LoadError> {
    let Err(error) = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build()
    else {
        return Ok(());
    };
    let shown = error.to_string();
    let mut lines = shown.lines().map(str::trim).filter(|line| !line.is_empty());
    let place = lines.next().unwrap_or_default().trim_start_matches("TOML parse error ");
    let cause = lines.next_back().unwrap_or_default();
    Err(LoadError::invalid(&format!("{name} is not valid TOML {place}: {cause}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        http: Http,
        storage: Storage,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Http {
        listen: Option<std::net::SocketAddr>,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Storage {
        samples_per_service: u32,
        #[serde(with = "crate::duration")]
        keep_hours: Duration,
    }

    fn with_variable(name: &str, value: &str) -> Result<Settings, String> {
        // An empty file of its own, so that none of the working folder is read.
        let file = tempfile::NamedTempFile::new().unwrap();
        let environment = vec![(name.into(), value.into())];
        let sources = Sources { file: Some(file.path().into()), environment, ..Sources::default() };
        load(&sources, possible).map_err(|error| error.to_string())
    }

    fn with_file(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::with_suffix("-komandorr.toml").unwrap();
        std::fs::write(&file, text).unwrap();
        let sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        let name = file.path().display().to_string();
        load(&sources, possible).map_err(|error| error.to_string().replace(&name, "komandorr.toml"))
    }

    fn possible(settings: &Settings) -> Result<(), Impossible> {
        if settings.storage.samples_per_service == 13 {
            return Err(Impossible::new("samples_per_service", "13 brings bad luck").of("storage"));
        }
        Ok(())
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[storage]\nsamples_per_service = 1\nkeep_hours = \"2 h\"").unwrap();
        let mut sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        let count = |sources: &Sources| load(sources, possible).unwrap().storage;
        assert_eq!(
            count(&sources),
            Storage { samples_per_service: 1, keep_hours: Duration::from_hours(2) }
        );
        sources.environment = vec![("KOMANDORR_STORAGE_SAMPLES_PER_SERVICE".into(), "2".into())];
        assert_eq!(count(&sources).samples_per_service, 2);
        sources.flags = vec![("storage.samples_per_service".into(), "3".into())];
        assert_eq!(count(&sources).samples_per_service, 3);
        let count = |sources: &Sources| count(sources).samples_per_service;
        sources.defaults = vec![("storage.samples_per_service".into(), "4".into())];
        assert_eq!(count(&sources), 3);
        (sources.environment, sources.flags) = Default::default();
        assert_eq!(count(&sources), 1);
        std::fs::write(&file, "").unwrap();
        assert_eq!(count(&sources), 4);
    }

    #[test]
    fn what_cannot_be_is_named_with_its_place() {
        let of_file = with_file("[storage]\nsamples_per_service = 13").unwrap_err();
        let said = "komandorr.toml: `storage.samples_per_service`: 13 brings bad luck";
        assert_eq!(of_file, said);
        let name = "KOMANDORR_STORAGE_SAMPLES_PER_SERVICE";
        let of_variable = with_variable(name, "13").unwrap_err();
        assert_eq!(of_variable, said.replace("komandorr.toml", &format!("the variable {name}")));
    }

    #[test]
    fn errors_name_the_place_the_key_and_what_is_allowed() {
        let unknown = with_file("[storage]\nsample_per_service = 1").unwrap_err();
        assert!(unknown.contains("sample_per_service"), "{unknown}");
        assert!(unknown.contains("samples_per_service"), "{unknown}");
        assert!(unknown.contains("komandorr.toml"), "{unknown}");
        let kind = with_file("[storage]\nsamples_per_service = \"many\"").unwrap_err();
        assert!(kind.contains("samples_per_service"), "{kind}");
        assert!(kind.contains("komandorr.toml"), "{kind}");
        let value = with_file("[storage]\nkeep_hours = \"5 parsecs\"").unwrap_err();
        assert!(value.contains("5 parsecs") && value.contains("400 days"), "{value}");
        assert!(value.contains("keep_hours") && value.contains("komandorr.toml"), "{value}");
        let toml = with_file("[storage\n").unwrap_err();
        assert!(toml.contains("komandorr.toml is not valid TOML at line 1"), "{toml}");
        for error in [unknown, kind, value, toml] {
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn what_is_named_with_a_line_break_is_refused_in_one_line() {
        let key = with_file("[storage]\n\"a\\nb\" = 1").unwrap_err();
        let section = with_file("[\"a\\r\\nb\"]\nlisten = 1").unwrap_err();
        let value = with_file("[storage]\nsamples_per_service = \"\\n\\u001b[2J\"").unwrap_err();
        let variable = with_variable("KOMANDORR_HTTP_\nLISTEN", "x").unwrap_err();
        for error in [key, section, value, variable] {
            assert!(!error.contains(char::is_control), "{error:?}");
            assert!(error.contains("komandorr.toml") || error.contains("KOMANDORR"), "{error}");
        }
    }

    #[test]
    fn an_unknown_section_is_named_with_its_file() {
        let error = with_file("[htp]\nlisten = 1").unwrap_err();
        assert!(error.contains("htp") && error.contains("komandorr.toml"), "{error}");
    }

    #[test]
    fn a_misspelt_variable_is_named() {
        let error = with_variable("KOMANDORR_HTTP_LISTN", "x").unwrap_err();
        assert!(error.contains("KOMANDORR_HTTP_LISTN"), "{error}");
        assert!(error.contains("KOMANDORR_HTTP_LISTEN"), "{error}");
        let error = with_variable("KOMANDORR_HOME_ASSISTANT_ENABLE", "true").unwrap_err();
        assert!(error.contains("KOMANDORR_HOME_ASSISTANT_ENABLED"), "{error}");
    }

    #[test]
    fn a_wrong_value_in_a_variable_names_the_variable() {
        let error = with_variable("KOMANDORR_HTTP_LISTEN", "here").unwrap_err();
        assert!(error.contains("KOMANDORR_HTTP_LISTEN"), "{error}");
    }

    #[test]
    fn variables_of_the_agent_are_none_of_the_servers() {
        assert_eq!(with_variable("KOMANDORR_URL", "mqtt://x"), Ok(Settings::default()));
    }

    #[test]
    fn variables_of_kubernetes_are_no_settings() {
        let made = [
            ("SERVICE_HOST", "10.0.0.11"),
            ("SERVICE_PORT_MAIN", "3000"),
            ("PORT", "tcp://10.0.0.11:3000"),
            ("PORT_3000_TCP_ADDR", "10.0.0.11"),
        ];
        for (ending, value) in made {
            let name = format!("KOMANDORR_HTTP_{ending}");
            assert_eq!(with_variable(&name, value), Ok(Settings::default()), "{name}");
        }
        let meant = with_variable("KOMANDORR_HTTP_PORT", "8080").unwrap_err();
        assert!(meant.contains("KOMANDORR_HTTP_PORT is no setting"), "{meant}");
        assert!(meant.contains("KOMANDORR_HTTP_LISTEN"), "{meant}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let sources = Sources { file: Some("/nonexistent/k.toml".into()), ..Sources::default() };
        let error = load(&sources, possible).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/k.toml"), "{error}");
    }
}
