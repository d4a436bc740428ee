//! Dark or light: the browser's wish, or a choice kept in a cookie.

use std::time::Duration;

use axum::{
    Form,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::cookie;

/// A year: the longest that browsers keep a cookie is a little more.
const KEPT: Duration = Duration::from_hours(365 * 24);
const COOKIE: &str = "theme";

/// What a visitor chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    Dark,
    Light,
}

/// The form in every page's head.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    theme: Theme,
    #[serde(default)]
    back: String,
}

impl Theme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    /// The choice in a request's cookies; `None`: the browser decides.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        match cookie::get(headers, COOKIE)? {
            "dark" => Some(Self::Dark),
            "light" => Some(Self::Light),
            _ => None,
        }
    }
}

/// `POST /theme`: keeps the choice and goes back to where it was made.
pub(crate) async fn choose(Form(choice): Form<Choice>) -> Response {
    let mut response = Redirect::to(own_path(&choice.back)).into_response();
    cookie::set(response.headers_mut(), COOKIE, choice.theme.as_str(), KEPT, false);
    response
}

/// A path of this site; anything else could lead a visitor away.
pub(crate) fn own_path(back: &str) -> &str {
    let leads_away = back.starts_with("//") || back.contains('\\');
    let plain = back.chars().all(|c| c.is_ascii_graphic());
    if back.starts_with('/') && !leads_away && plain { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn the_way_back_stays_on_this_site() {
        assert_eq!(own_path("/services/a?range=day"), "/services/a?range=day");
        for elsewhere in ["", "//evil.example", "/\\evil.example", "http://evil.example", "/a\r\nb"]
        {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere:?}");
        }
    }

    #[test]
    fn the_cookie_decides_and_nonsense_does_not() {
        let theme = |text: &str| {
            Theme::of(&HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]))
        };
        assert_eq!(theme("a=b; theme=light"), Some(Theme::Light));
        assert_eq!(theme("theme=dark"), Some(Theme::Dark));
        assert_eq!(theme("theme=pink"), None);
        assert_eq!(Theme::of(&HeaderMap::new()), None);
    }
}
