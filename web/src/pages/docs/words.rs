//! Texts of the description: paragraphs, in which `code` stands in backticks.

/// A paragraph: texts, and whether each is code.
pub(super) type Words = Vec<(&'static str, bool)>;

/// The paragraphs of a text, which empty lines part.
pub(super) fn paragraphs(text: Option<&'static str>) -> Vec<Words> {
    let texts = text.unwrap_or_default().split("\n\n");
    texts.map(str::trim).filter(|text| !text.is_empty()).map(words).collect()
}

fn words(text: &'static str) -> Words {
    let parts = text.split('`').enumerate().map(|(place, part)| (part, place % 2 == 1));
    parts.filter(|(part, _)| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_in_backticks_and_paragraphs_between_empty_lines() {
        let texts = paragraphs(Some("Sent is `up`.\n\n`null` is unknown.\n"));
        assert_eq!(
            texts,
            [
                vec![("Sent is ", false), ("up", true), (".", false)],
                vec![("null", true), (" is unknown.", false)],
            ]
        );
        assert_eq!(paragraphs(None), Vec::<Words>::new());
    }
}
