//! Dark or light: the browser's wish, or a choice kept in a cookie.

use axum::{
    Form,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

/// A year: the longest that browsers keep a cookie is a little more.
const KEPT_SECONDS: u32 = 31_536_000;
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
        let cookies =
            headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|p| p.split_once('='));
        match pairs.find(|(name, _)| name.trim() == COOKIE)?.1.trim() {
            "dark" => Some(Self::Dark),
            "light" => Some(Self::Light),
            _ => None,
        }
    }
}

/// `POST /theme`: keeps the choice and goes back to where it was made.
pub(crate) async fn choose(Form(choice): Form<Choice>) -> Response {
    let theme = choice.theme.as_str();
    let cookie =
        format!("{COOKIE}={theme}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax; HttpOnly");
    let mut response = Redirect::to(own_path(&choice.back)).into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A path of this site; anything else could lead a visitor away.
fn own_path(back: &str) -> &str {
    let leads_away = back.starts_with("//") || back.contains('\\');
    let plain = back.chars().all(|c| c.is_ascii_graphic());
    if back.starts_with('/') && !leads_away && plain { back } else { "/" }
}

#[cfg(test)]
mod tests {
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
