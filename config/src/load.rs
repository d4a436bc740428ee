//! Loads settings of any type: default < file < environment < flag.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

/// Every setting with its default and its meaning, all commented out: what
/// `komandorr --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../komandorr.toml");

/// The file that is read from the working folder when none is named.
pub const FILE_NAME: &str = "komandorr.toml";

/// How errors call the place where flags stand.
const COMMAND_LINE: &str = "the command line";

/// What every environment variable of a setting begins with.
const PREFIX: &str = "KOMANDORR_";

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

/// Where settings come from, beside their types' defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// The settings file; `None`: [`FILE_NAME`] where it exists.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line, as `section.key` and value.
    pub flags: Vec<(String, String)>,
}

/// Loads settings whose type fills in its own defaults.
pub fn load<T: DeserializeOwned>(sources: &Sources) -> Result<T, LoadError> {
    let file = read_file(sources.file.as_deref())?;
    let keys = known_keys();
    let environment = Layer::of_environment(&sources.environment, &keys)?;
    let flags = Layer::of_flags(&sources.flags, &keys)?;
    // Where a key's value came from, for errors that config cannot place.
    let origins: Vec<_> = flags.origins().chain(environment.origins()).collect();
    let mut builder = Config::builder();
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
    let placed = |error| placed(&error, origin);
    builder
        .add_source(environment.clone())
        .add_source(flags.clone())
        .build()
        .and_then(Config::try_deserialize)
        .map_err(placed)
}

/// One line that begins with the file, variable or flag that is wrong.
fn placed(error: &ConfigError, origin: impl Fn(&str) -> String) -> LoadError {
    let key = match error {
        ConfigError::At { key: Some(key), .. } | ConfigError::Type { key: Some(key), .. } => key,
        _ => "",
    };
    LoadError::Invalid(match error {
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
    Err(LoadError::Invalid(format!("{name} is not valid TOML {place}: {cause}")))
}

/// The keys of the default file, as `section.key`.
fn known_keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in DEFAULT_FILE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, _)) = line.strip_prefix("#").and_then(|l| l.split_once(" = "))
            && !key.contains(' ')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// Values with the place that they came from, so that errors can name it.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    /// Each key with the place that its value came from.
    fn origins(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), value.origin().unwrap_or(COMMAND_LINE).to_owned()))
    }

    fn of_file(name: &str, text: &str) -> Result<Self, LoadError> {
        let parsed = Config::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .build()
            .and_then(Config::try_deserialize::<Map<String, Value>>)
            .map_err(|error| placed(&error, |_| name.to_owned()))?;
        let origin = name.to_owned();
        Ok(Self(parsed.into_iter().map(|(key, value)| (key, marked(value, &origin))).collect()))
    }

    fn of_environment(
        all: &[(String, String)],
        keys: &BTreeSet<String>,
    ) -> Result<Self, LoadError> {
        let variable = |key: &str| format!("{PREFIX}{}", key.replace('.', "_").to_uppercase());
        let sections: BTreeSet<String> =
            keys.iter().filter_map(|key| Some(key.split_once('.')?.0.to_uppercase())).collect();
        let mut values = Map::new();
        for (name, text) in all {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if let Some(key) = keys.iter().find(|key| variable(key) == *name) {
                values.insert(key.clone(), text_value(text, &format!("the variable {name}")));
            } else if let Some((section, _)) = rest.split_once('_')
                && sections.contains(section)
            {
                let prefix = format!("{PREFIX}{section}_");
                let allowed: Vec<_> = keys
                    .iter()
                    .map(|key| variable(key))
                    .filter(|v| v.starts_with(&prefix))
                    .collect();
                return Err(LoadError::Invalid(format!(
                    "the environment variable {name} is no setting: known are {}",
                    allowed.join(", ")
                )));
            }
        }
        Ok(Self(values))
    }

    fn of_flags(flags: &[(String, String)], keys: &BTreeSet<String>) -> Result<Self, LoadError> {
        if let Some((key, _)) = flags.iter().find(|(key, _)| !keys.contains(key)) {
            let known: Vec<_> = keys.iter().map(String::as_str).collect();
            return Err(LoadError::Invalid(format!(
                "{COMMAND_LINE}: \"{key}\" is no setting: known are {}",
                known.join(", ")
            )));
        }
        let value = |text| text_value(text, COMMAND_LINE);
        Ok(Self(flags.iter().map(|(key, text)| (key.clone(), value(text))).collect()))
    }
}

/// A value that came as text. Whole numbers and truth values become such, so
/// that a wrong type is named as one; `007` stays a text, which may be a password.
fn text_value(text: &str, origin: &str) -> Value {
    let kind = match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) if number.to_string() == text => ValueKind::I64(number),
        (_, Ok(truth)) => ValueKind::Boolean(truth),
        _ => ValueKind::String(text.to_owned()),
    };
    Value::new(Some(&origin.to_owned()), kind)
}

/// The same value, with every part of it marked as coming from `origin`.
fn marked(value: Value, origin: &String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(
            table.into_iter().map(|(key, value)| (key, marked(value, origin))).collect(),
        ),
        ValueKind::Array(list) => {
            ValueKind::Array(list.into_iter().map(|value| marked(value, origin)).collect())
        }
        plain => plain,
    };
    Value::new(Some(origin), kind)
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
        let sources = Sources { file: Some(file.path().into()), environment, flags: Vec::new() };
        load(&sources).map_err(|error| error.to_string())
    }

    fn with_file(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::with_suffix("-komandorr.toml").unwrap();
        std::fs::write(&file, text).unwrap();
        let sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        let name = file.path().display().to_string();
        load(&sources).map_err(|error| error.to_string().replace(&name, "komandorr.toml"))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[storage]\nsamples_per_service = 1\nkeep_hours = \"2 h\"").unwrap();
        let mut sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        let count = |sources: &Sources| load::<Settings>(sources).unwrap().storage;
        assert_eq!(
            count(&sources),
            Storage { samples_per_service: 1, keep_hours: Duration::from_hours(2) }
        );
        sources.environment = vec![("KOMANDORR_STORAGE_SAMPLES_PER_SERVICE".into(), "2".into())];
        assert_eq!(count(&sources).samples_per_service, 2);
        sources.flags = vec![("storage.samples_per_service".into(), "3".into())];
        assert_eq!(count(&sources).samples_per_service, 3);
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
    fn an_unknown_section_is_named_with_its_file() {
        let error = with_file("[htp]\nlisten = 1").unwrap_err();
        assert!(error.contains("htp") && error.contains("komandorr.toml"), "{error}");
    }

    #[test]
    fn a_misspelt_variable_is_named() {
        let error = with_variable("KOMANDORR_HTTP_LISTN", "x").unwrap_err();
        assert!(error.contains("KOMANDORR_HTTP_LISTN"), "{error}");
        assert!(error.contains("KOMANDORR_HTTP_LISTEN"), "{error}");
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
    fn a_named_file_must_exist() {
        let sources = Sources { file: Some("/nonexistent/k.toml".into()), ..Sources::default() };
        let error = load::<Settings>(&sources).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/k.toml"), "{error}");
    }
}
