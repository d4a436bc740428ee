//! Which texts a service may have: its name, its group, a line about it. The
//! API and the forms ask here, so that each shows and keeps what the other took.
//! And how what is wrong reads on a page.

/// Longest text of a field, in characters.
pub(crate) const LONGEST: usize = 500;

/// A message as a sentence: with a capital and a full stop.
pub(crate) fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// What is wrong with a text, after "it" or the field's name.
pub(crate) fn wrong(text: &str) -> Option<String> {
    if text.chars().count() > LONGEST {
        return Some(format!("must be at most {LONGEST} characters long"));
    }
    let control = text.chars().any(|letter| letter.is_ascii_control());
    control.then(|| "must be one line without control characters".to_owned())
}
