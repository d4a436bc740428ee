//! `bench/fuzz settings`: a settings file; lines that begin with `!` are flags,
//! with `$` variables of the environment.
#![no_main]

use std::{io::Write, path::PathBuf, sync::OnceLock};

use komandorr_config::{Sources, load};

/// Every kind of value that a setting can have.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    limits: komandorr_broker::Config,
    storage: Storage,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Storage {
    #[allow(dead_code)]
    path: PathBuf,
    #[allow(dead_code)]
    samples_per_service: u32,
    #[serde(with = "komandorr_config::duration")]
    #[allow(dead_code)]
    keep_hours: std::time::Duration,
}

static FILE: OnceLock<tempfile::NamedTempFile> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|text: &str| {
    let pairs = |mark: char| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(mark)?.split_once('='));
        lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let file = FILE.get_or_init(|| tempfile::NamedTempFile::new().expect("a temporary file"));
    let lines = text.lines().filter(|line| !line.starts_with(['!', '$']));
    let toml = lines.collect::<Vec<_>>().join("\n");
    file.as_file().set_len(0).expect("an empty file");
    std::fs::File::create(file.path()).and_then(|mut f| f.write_all(toml.as_bytes())).expect("written");
    let sources = Sources {
        file: Some(file.path().into()),
        environment: pairs('$'),
        flags: pairs('!'),
        ..Sources::default()
    };
    let check = |settings: &Settings| settings.limits.check().map_err(|wrong| wrong.of("limits"));
    match load(&sources, check) {
        Ok(settings) => drop(settings.limits),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
});
