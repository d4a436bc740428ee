//! The API's description (OpenAPI 3.1), made from the handlers and the types
//! that they answer. A test holds it against the table of routes: whoever adds
//! a route of the API describes it with `#[utoipa::path]` and lists it here.

use std::sync::LazyLock;

use axum::{http::HeaderMap, response::Response};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, Content, OpenApi as Description, PathItem, Ref, RefOr, Response as Answer,
        path::Operation,
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::{analytics, backup, credentials, export, health, import, metrics, services, traffic};
use crate::{compat, error::ErrorAnswer, etag};

/// Operations in the words of the original, which have errors of their own
/// and take parameters that they do not know.
pub(crate) const ORIGINAL: &str = "Original";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Komandorr",
        description = "Network traffic, measured by agents, now and then.\n\n\
            Volumes are whole bytes, speeds are bytes per second, times are RFC 3339 in UTC. \
            Sent is `up`, received is `down`, as the measured machine sees it. What is not known \
            is `null`.\n\n\
            A refusal is JSON as well: `error.code` is a word for machines, `error.message` says \
            which parameter or field is wrong and what is allowed. A parameter that an operation \
            does not know, that is empty or that comes twice is refused.\n\n\
            On a loopback address that is trusted nobody has to say who they are. Elsewhere send \
            a token as `Authorization: Bearer`, or user name and password as HTTP Basic."
    ),
    paths(
        traffic::current,
        traffic::history,
        traffic::stream,
        export::export,
        analytics::hourly,
        analytics::weekly,
        services::list,
        services::create,
        services::one,
        services::replace,
        services::change,
        services::remove,
        services::rotate,
        credentials::readers,
        credentials::create_reader,
        credentials::remove_reader,
        credentials::scripts,
        credentials::create_script,
        credentials::remove_script,
        credentials::set_password,
        credentials::end_sessions,
        health::alive,
        health::ready,
        metrics::metrics,
        backup::backup,
        import::progress,
        import::samples,
        compat::update::update,
        compat::read::current,
        compat::read::history,
        compat::read::summary,
        compat::read::health,
        compat::socket::upgrade,
        json,
    ),
    components(schemas(ErrorAnswer)),
    tags(
        (name = "Traffic", description = "What goes on now, what went on, and the live stream."),
        (name = "Services", description = "The registry: what is measured, and the tokens of its agents."),
        (name = "Access", description = "Who else is let in: readers, scripts, and the administrator."),
        (name = "Original", description = "The API of the original Komandorr, for its agents and dashboards: MiB/s and GiB, and `detail` for errors."),
        (name = "Server", description = "The server itself, for those who watch over it."),
    ),
    modifiers(&Refusals, &Credentials),
)]
struct Document;

/// The description.
pub(crate) static DOCUMENT: LazyLock<Description> = LazyLock::new(|| {
    let mut document = Document::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
});

static JSON: LazyLock<Vec<u8>> =
    // Plain maps and texts: this cannot fail.
    LazyLock::new(|| serde_json::to_vec_pretty(&*DOCUMENT).unwrap_or_default());

/// This description of the API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Server", operation_id = "openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn json(headers: HeaderMap) -> Response {
    etag::tagged(&headers, "application/json", JSON.clone())
}

/// The description in words that the site's other parts need.
pub(crate) fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// Whether an operation keeps to the original's words.
pub(crate) fn is_original(operation: &Operation) -> bool {
    operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == ORIGINAL))
}

/// Every operation refuses in the same way.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut Description) {
        for item in document.paths.paths.values_mut() {
            let all =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in all.into_iter().flatten().filter(|operation| !is_original(operation)) {
                let answers = &mut operation.responses.responses;
                let refused = "Refused: `error.code` and `error.message` say why";
                answers.entry("4XX".into()).or_insert_with(|| refusal(refused).into());
                let broken = "The server or its database cannot answer right now";
                answers.entry("5XX".into()).or_insert_with(|| refusal(broken).into());
            }
        }
    }
}

fn refusal(why: &str) -> Answer {
    let schema = RefOr::Ref(Ref::from_schema_name("ErrorAnswer"));
    let mut answer = Answer::new(why);
    answer.content.insert("application/json".into(), RefOr::T(Content::new(Some(schema))));
    answer
}

/// What proves who is asking, wherever that is asked for.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Description) {
        let schemes = [
            (
                "bearer",
                HttpAuthScheme::Bearer,
                "A token: of the API, of a reader, of an agent, or the operator's.",
            ),
            (
                "basic",
                HttpAuthScheme::Basic,
                "User name and password, or a service's id and its token.",
            ),
        ];
        let components = document.components.get_or_insert_with(Components::new);
        for (name, scheme, words) in schemes {
            let scheme = HttpBuilder::new().scheme(scheme).description(Some(words)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
        let cookie =
            ApiKeyValue::with_description("komandorr_session", "Of somebody who is signed in.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let named =
            ["bearer", "basic", "session"].map(|name| SecurityRequirement::new(name, [""; 0]));
        // The empty one: nothing is asked for on a trusted loopback address.
        document.security =
            Some([SecurityRequirement::default()].into_iter().chain(named).collect());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{access::Needs, api::is_at, routes::routes};

    /// A path with and without the slash at its end is one.
    fn named(method: &str, path: &str) -> String {
        format!("{method} {}", path.trim_end_matches('/'))
    }

    fn described() -> BTreeSet<String> {
        let paths = DOCUMENT.paths.paths.iter();
        paths
            .flat_map(|(path, item)| operations(item).map(move |(method, _)| named(method, path)))
            .collect()
    }

    #[test]
    fn routes_and_description_agree_both_ways() {
        let routes = routes().into_iter().filter(|route| is_at(route.path));
        let served: BTreeSet<_> =
            routes.map(|route| named(route.method.as_str(), route.path)).collect();
        let described = described();
        let missing: Vec<_> = served.difference(&described).collect();
        assert!(
            missing.is_empty(),
            "not described: {missing:?}; give the handler #[utoipa::path] and list it in api/document.rs"
        );
        let gone: Vec<_> = described.difference(&served).collect();
        assert!(gone.is_empty(), "described, but no route: {gone:?}");
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        for (path, item) in &DOCUMENT.paths.paths {
            let in_path = path.split('{').skip(1).filter_map(|part| part.split('}').next());
            let in_path: BTreeSet<_> = in_path.map(str::to_owned).collect();
            for (method, operation) in operations(item) {
                let described: BTreeSet<_> = operation
                    .parameters
                    .iter()
                    .flatten()
                    .filter_map(|parameter| match parameter {
                        RefOr::T(parameter) => Some(parameter),
                        RefOr::Ref(_) => None,
                    })
                    .filter(|parameter| {
                        parameter.parameter_in == utoipa::openapi::path::ParameterIn::Path
                    })
                    .map(|parameter| parameter.name.clone())
                    .collect();
                assert_eq!(described, in_path, "{method} {path}");
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_a_section_and_words() {
        let tags: BTreeSet<_> =
            DOCUMENT.tags.iter().flatten().map(|tag| tag.name.clone()).collect();
        let mut names = BTreeSet::new();
        for (path, item) in &DOCUMENT.paths.paths {
            for (method, operation) in operations(item) {
                let name = operation.operation_id.clone().unwrap_or_default();
                assert!(names.insert(name.clone()), "{name} stands twice: {method} {path}");
                let words = operation.summary.as_deref().unwrap_or_default();
                assert!(words.len() > 10, "{method} {path} says nothing of itself");
                let of: Vec<_> = operation.tags.clone().unwrap_or_default();
                assert!(
                    !of.is_empty() && of.iter().all(|tag| tags.contains(tag)),
                    "{method} {path}: {of:?}"
                );
            }
        }
    }

    #[test]
    fn only_the_history_is_said_to_have_a_number_of_points() {
        let words = |path: &str| {
            let item = DOCUMENT.paths.paths.get(path).unwrap();
            serde_json::to_string(item.get.as_ref().unwrap()).unwrap()
        };
        assert!(words("/api/traffic/history").contains("at most 1500 points"));
        assert!(!words("/api/traffic/export").contains("1500"), "exports have all points");
    }

    #[test]
    fn whatever_is_free_for_all_is_about_the_server_alone() {
        for route in routes().into_iter().filter(|route| route.path.starts_with("/api/traffic")) {
            assert_ne!(route.needs, Needs::Nothing, "{}", route.path);
        }
    }
}
