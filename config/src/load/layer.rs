//! One place where settings stand: a file, the environment or the flags.

use std::collections::BTreeSet;

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::{DEFAULT_FILE, LoadError, placed};

/// How errors call the place where flags stand.
const COMMAND_LINE: &str = "the command line";

/// What every environment variable of a setting begins with.
const PREFIX: &str = "KOMANDORR_";

/// The keys of the default file, as `section.key`.
pub(super) fn known_keys() -> BTreeSet<String> {
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
pub(super) struct Layer(Map<String, Value>);

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
    pub(super) fn origins(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), value.origin().unwrap_or(COMMAND_LINE).to_owned()))
    }

    pub(super) fn of_file(name: &str, text: &str) -> Result<Self, LoadError> {
        let parsed = Config::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .build()
            .and_then(Config::try_deserialize::<Map<String, Value>>)
            .map_err(|error| placed(&error, |_| name.to_owned()))?;
        let origin = name.to_owned();
        Ok(Self(parsed.into_iter().map(|(key, value)| (key, marked(value, &origin))).collect()))
    }

    pub(super) fn of_environment(
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
            } else if let Some(section) = sections.iter().find(|section| {
                let key = rest.strip_prefix(section.as_str()).and_then(|key| key.strip_prefix('_'));
                key.is_some_and(|key| !is_of_kubernetes(key, text))
            }) {
                let prefix = format!("{PREFIX}{section}_");
                let allowed: Vec<_> = keys
                    .iter()
                    .map(|key| variable(key))
                    .filter(|v| v.starts_with(&prefix))
                    .collect();
                return Err(LoadError::invalid(&format!(
                    "the environment variable {name} is no setting: known are {}",
                    allowed.join(", ")
                )));
            }
        }
        Ok(Self(values))
    }

    pub(super) fn of_flags(
        flags: &[(String, String)],
        keys: &BTreeSet<String>,
    ) -> Result<Self, LoadError> {
        if let Some((key, _)) = flags.iter().find(|(key, _)| !keys.contains(key)) {
            let known: Vec<_> = keys.iter().map(String::as_str).collect();
            return Err(LoadError::invalid(&format!(
                "{COMMAND_LINE}: \"{key}\" is no setting: known are {}",
                known.join(", ")
            )));
        }
        let value = |text| text_value(text, COMMAND_LINE);
        Ok(Self(flags.iter().map(|(key, text)| (key.clone(), value(text))).collect()))
    }
}

/// Whether Kubernetes makes a variable that ends so for each of its Services: one that
/// is called komandorr-http or komandorr-mqtt begins like a setting.
fn is_of_kubernetes(ending: &str, value: &str) -> bool {
    let begins = |text: &str, with: &[&str]| with.iter().any(|begin| text.starts_with(begin));
    match ending {
        "SERVICE_HOST" => true,
        // A person may write it as well, and then mean a port to listen on.
        "PORT" => begins(value, &["tcp://", "udp://", "sctp://"]),
        _ => begins(ending, &["SERVICE_PORT", "PORT_"]),
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
