//! Where a server lies that is installed as a package, by systemd's unit, or in
//! an image: there the operator's commands look for it.

/// Its settings.
pub(crate) const SETTINGS: &str = "/etc/komandorr/komandorr.toml";
/// Its database.
pub(crate) const DATABASE: &str = "/var/lib/komandorr/komandorr.duckdb";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_and_the_image_have_it_there() {
        let unit = include_str!("../../deploy/komandorr.service");
        let line = |line: String| assert!(unit.lines().any(|l| l == line), "{line}: {unit}");
        line(format!("ExecStart=komandorr --config {SETTINGS}"));
        line(format!("Environment=KOMANDORR_STORAGE_PATH={DATABASE}"));
        let image = include_str!("../../Dockerfile");
        assert!(image.contains(&format!("KOMANDORR_STORAGE_PATH={DATABASE}\n")), "{image}");
    }
}
