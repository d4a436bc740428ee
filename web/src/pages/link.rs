//! Links with parameters: every view of a page has its own address.

use std::fmt::{self, Write as _};

/// A path with parameters; those without a value are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    path: String,
    pairs: Vec<(&'static str, String)>,
}

impl Link {
    pub(crate) fn to(path: impl Into<String>) -> Self {
        Self { path: path.into(), pairs: Vec::new() }
    }

    /// With a parameter, which replaces one of the same name.
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.pairs.retain(|(known, _)| *known != name);
        let value = value.to_string();
        if !value.is_empty() {
            self.pairs.push((name, value));
        }
        self
    }

    /// The parameters, for a form's hidden fields.
    pub(crate) fn pairs(self) -> Vec<(&'static str, String)> {
        self.pairs
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for (i, (name, value)) in self.pairs.iter().enumerate() {
            f.write_char(if i == 0 { '?' } else { '&' })?;
            write!(f, "{name}={}", Encoded(value))?;
        }
        Ok(())
    }
}

/// A value as it may stand in a query.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b'-'
                | b'_'
                | b'.'
                | b'~'
                | b','
                | b':' => {
                    f.write_char(byte.into())?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_carries_any_text_and_leaves_out_what_is_empty() {
        let link = Link::to("/").with("q", "a&b=ü").with("sort", "").with("page", 2);
        assert_eq!(link.to_string(), "/?q=a%26b%3D%C3%BC&page=2");
        assert_eq!(link.with("q", "").with("page", 3).to_string(), "/?page=3");
    }
}
