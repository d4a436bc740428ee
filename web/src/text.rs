//! Which texts a service may have: its name, its group, a line about it. The
//! API and the forms ask here, so that each shows and keeps what the other took.

/// Longest text of a field, in characters.
pub(crate) const LONGEST: usize = 500;

/// What is wrong with a text, after "it" or the field's name.
pub(crate) fn wrong(text: &str) -> Option<String> {
    if text.chars().count() > LONGEST {
        return Some(format!("must be at most {LONGEST} characters long"));
    }
    let control = text.chars().any(|letter| letter.is_ascii_control());
    control.then(|| "must be one line without control characters".to_owned())
}
