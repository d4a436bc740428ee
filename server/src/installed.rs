//! The server that is installed as a package or by systemd's unit: what its unit
//! hands it, and where the operator's commands look for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::bail;
use komandorr_config::{FILE_NAME, Sources};

use crate::operator;

/// The setting that tells one server from another.
const DATABASE: &str = "storage.path";
/// The same in the environment.
const DATABASE_VARIABLE: &str = "KOMANDORR_STORAGE_PATH";
/// What the database is called in the folder that systemd makes for the server.
const FILE: &str = "komandorr.duckdb";

/// Where the installed server has what.
pub(crate) struct Place<'a> {
    settings: &'a str,
    /// Variables that its unit reads.
    variables: &'a str,
    state: &'a str,
}

/// As the unit and the packages say.
pub(crate) const PLACE: Place<'static> = Place {
    settings: "/etc/komandorr/komandorr.toml",
    variables: "/etc/komandorr/server.env",
    state: "/var/lib/komandorr",
};

/// Under systemd the database is in the folder that the unit owns, unless a setting
/// says otherwise.
pub(crate) fn take_state_folder(sources: &mut Sources) {
    let folder = sources.environment.iter().find(|(name, _)| name == "STATE_DIRECTORY");
    // Of several the first.
    let first = folder.and_then(|(_, folders)| folders.split(':').next()).map(PathBuf::from);
    if let Some(folder) = first.filter(|folder| folder.is_absolute()) {
        sources.defaults.push(database_in(&folder));
    }
}

fn database_in(folder: &Path) -> (String, String) {
    (DATABASE.to_owned(), folder.join(FILE).display().to_string())
}

impl Place<'_> {
    /// Has a command of the operator mean the installed server, with all that its
    /// unit hands it; unless a file of settings or a database tells of another one.
    pub(crate) fn complete(&self, sources: &mut Sources) -> anyhow::Result<()> {
        let named = sources.file.clone();
        let here = || Some(PathBuf::from(FILE_NAME)).filter(|file| file.exists());
        let means = match named.or_else(here) {
            Some(file) => self.is_settings(&file),
            None => !names_database(sources) && Path::new(self.settings).exists(),
        };
        if !means {
            return Ok(());
        }
        sources.file = Some(self.settings.into());
        sources.defaults.push(database_in(Path::new(self.state)));
        let text = fs::read_to_string(self.variables).or_else(|error| {
            if let Some(told) = left_out(self.variables, &error)? {
                operator::note(&told);
            }
            anyhow::Ok(String::new())
        })?;
        // Before those of this process, which beat them.
        let mut variables: Vec<_> = text.lines().filter_map(variable).collect();
        variables.append(&mut sources.environment);
        sources.environment = variables;
        Ok(())
    }

    fn is_settings(&self, file: &Path) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        real(file).is_some_and(|file| Some(file) == real(Path::new(self.settings)))
    }
}

/// What there is to say where a command goes on without a file of variables that it
/// could not read.
fn left_out(file: &str, error: &io::Error) -> anyhow::Result<Option<String>> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        // Everybody may ask whether the server is ready, and mostly none of the
        // variables changes where it is asked.
        io::ErrorKind::PermissionDenied => Ok(Some(format!(
            "cannot read {file}: {error}; the server's settings in it are not known here: run this command with sudo"
        ))),
        _ => bail!("cannot read the server's variables in {file}: {error}; mend that file"),
    }
}

fn names_database(sources: &Sources) -> bool {
    sources.flags.iter().any(|(key, _)| key == DATABASE)
        || sources.environment.iter().any(|(name, _)| name == DATABASE_VARIABLE)
}

/// A line of a file of variables, as systemd reads it (`EnvironmentFile=`).
fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let quoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    let plain = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    Some((name.trim().to_owned(), plain.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_it_there() {
        let unit = include_str!("../../deploy/komandorr.service");
        let line = |line: String| assert!(unit.lines().any(|l| l == line), "{line}: {unit}");
        line(format!("ExecStart=komandorr --config {}", PLACE.settings));
        line(format!("EnvironmentFile=-{}", PLACE.variables));
        let folder = PLACE.state.strip_prefix("/var/lib/").unwrap();
        line(format!("StateDirectory={folder}"));
    }

    /// What a command with a file, a flag and a variable is completed to, where a
    /// server is installed or not.
    fn completed(file: Option<&str>, flag: &str, variable: &str, installed: bool) -> Sources {
        let folder = tempfile::tempdir().unwrap();
        let (settings, variables) = (folder.path().join("k.toml"), folder.path().join("k.env"));
        if installed {
            fs::write(&settings, "").unwrap();
            let lines = "# KOMANDORR_A=0\nKOMANDORR_A=1\nKOMANDORR_B = \"two words\"\n";
            fs::write(&variables, lines).unwrap();
        }
        let [its_settings, its_variables] = [&settings, &variables].map(|p| p.to_str().unwrap());
        let place = Place { settings: its_settings, variables: its_variables, state: "/state" };
        // Another way to the same file.
        let the_same = folder.path().join("../").join(folder.path().file_name().unwrap());
        let named = file.map(|file| the_same.join(file));
        let mut sources = Sources {
            file: named.clone(),
            environment: vec![(variable.into(), "here".into())],
            flags: vec![(flag.into(), "here".into())],
            ..Sources::default()
        };
        place.complete(&mut sources).unwrap();
        if sources.defaults.is_empty() {
            assert_eq!((sources.file.clone(), sources.environment.len()), (named, 1));
        } else {
            assert_eq!(sources.file.as_deref(), Some(&*settings));
        }
        sources
    }

    #[test]
    fn a_command_means_the_installed_server_unless_a_file_or_a_database_tells_of_another() {
        let means = |file, flag, variable, installed| {
            !completed(file, flag, variable, installed).defaults.is_empty()
        };
        assert!(means(None, "http.listen", "KOMANDORR_HTTP_LISTEN", true));
        assert!(!means(None, "http.listen", "PATH", false));
        assert!(!means(None, DATABASE, "PATH", true));
        assert!(!means(None, "http.listen", DATABASE_VARIABLE, true));
        assert!(!means(Some("other.toml"), "http.listen", "PATH", true));
        assert!(means(Some("k.toml"), DATABASE, DATABASE_VARIABLE, true));
    }

    #[test]
    fn it_has_the_variables_of_the_unit_and_its_own_beat_them() {
        let sources = completed(None, "http.listen", "KOMANDORR_A", true);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            sources.environment,
            [
                pair("KOMANDORR_A", "1"),
                pair("KOMANDORR_B", "two words"),
                pair("KOMANDORR_A", "here")
            ]
        );
        assert_eq!(sources.defaults, [pair(DATABASE, "/state/komandorr.duckdb")]);
    }

    #[test]
    fn variables_that_cannot_be_read_are_told_of() {
        let told = |error: io::Error| left_out("/k.env", &error).map_err(|error| error.to_string());
        assert_eq!(told(io::ErrorKind::NotFound.into()), Ok(None));
        let note = told(io::ErrorKind::PermissionDenied.into()).unwrap().unwrap_or_default();
        assert!(note.starts_with("cannot read /k.env: permission denied;"), "{note}");

        let folder = tempfile::tempdir().unwrap();
        let (settings, variables) = (folder.path().join("k.toml"), folder.path().join("k.env"));
        fs::write(&settings, "").unwrap();
        fs::write(&variables, b"KOMANDORR_HTTP_LISTEN=\xff").unwrap();
        let [settings, variables] = [&settings, &variables].map(|p| p.to_str().unwrap());
        let place = Place { settings, variables, state: "/state" };
        let mut sources = Sources { file: Some(settings.into()), ..Sources::default() };
        let refused = place.complete(&mut sources).unwrap_err().to_string();
        assert!(refused.contains(variables) && refused.contains("UTF-8"), "{refused}");
    }

    #[test]
    fn under_systemd_the_database_is_in_the_unit_s_folder() {
        let with = |folder: &str| {
            let environment = vec![("STATE_DIRECTORY".to_owned(), folder.to_owned())];
            let mut sources = Sources { environment, ..Sources::default() };
            take_state_folder(&mut sources);
            sources.defaults.into_iter().map(|(_, path)| path).collect::<Vec<_>>()
        };
        assert_eq!(with("/var/lib/k"), ["/var/lib/k/komandorr.duckdb"]);
        assert_eq!(with("/var/lib/k:/var/lib/l"), ["/var/lib/k/komandorr.duckdb"]);
        assert!(with("").is_empty());
    }
}
