//! What the forms about a service have in common: what is wrong with what was
//! typed, by field.

use crate::text;

/// What is wrong, by field.
#[derive(Debug, Default)]
pub(crate) struct Wrong(Vec<(&'static str, String)>);

impl Wrong {
    /// Notes what is wrong with a field.
    pub(crate) fn note(&mut self, field: &'static str, words: String) {
        self.0.push((field, words));
    }

    /// A text as it was typed, without the blanks around it; refused where the
    /// API refuses it.
    pub(crate) fn text(&mut self, field: &'static str, typed: &str) -> String {
        let typed = typed.trim();
        if let Some(wrong) = text::wrong(typed) {
            self.note(field, format!("It {wrong}."));
        }
        typed.to_owned()
    }

    /// What is wrong with a field.
    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, words)| words.as_str())
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
