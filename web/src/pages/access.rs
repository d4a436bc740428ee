//! Who else is let in: readers, scripts, logged-in browsers, and the password.

mod change;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use jiff::Timestamp;
use komandorr_collector::registry::{Credential, Role, Session};

use change::Named;
pub(crate) use change::{
    create_reader, create_script, end_all_sessions, end_session, remove_reader, remove_script,
    set_password,
};

use super::{Page, Shell, Tab, Visit, render};
use crate::{
    access::{Visitor, session},
    site::{Shared, Site},
};

#[derive(Debug, Template)]
#[template(path = "access.html")]
struct AccessPage {
    shell: Shell,
    news: News,
    readers: Vec<Entry>,
    scripts: Vec<Entry>,
    sessions: Vec<Browser>,
    /// Services that a reader can be bound to: id and name.
    services: Vec<(String, String)>,
    has_password: bool,
    /// Whether the present password is asked for before a new one is taken.
    asks_current: bool,
}

/// What a form has brought about.
#[derive(Debug, Default)]
struct News {
    /// A token that is shown this once, with what it is for.
    made: Option<(String, String)>,
    /// The form that was wrong, and why.
    wrong: Option<(Form, String)>,
    /// What was typed into it.
    given: Named,
    /// Whether the password was changed.
    changed: bool,
}

/// The forms of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Reader,
    Script,
    Password,
}

/// A credential in a list.
#[derive(Debug)]
struct Entry {
    name: String,
    /// What it allows, in words.
    allows: String,
    made: String,
}

/// A browser that is logged in.
#[derive(Debug)]
struct Browser {
    hash: String,
    client: String,
    begun: String,
    seen: String,
    /// Whether it is the one that shows this page.
    this: bool,
}

impl AccessPage {
    /// What is wrong with a form.
    fn error(&self, form: Form) -> Option<&str> {
        self.news.wrong.as_ref().filter(|(wrong, _)| *wrong == form).map(|(_, why)| why.as_str())
    }

    /// What was typed into a form that was wrong.
    fn typed(&self, form: Form) -> &str {
        if self.error(form).is_some() { &self.news.given.name } else { "" }
    }

    /// Whether something was chosen in a form that was wrong.
    fn chosen(&self, form: Form, choice: &str) -> bool {
        let Named { service, scope, .. } = &self.news.given;
        self.error(form).is_some() && [service, scope].iter().any(|chosen| *chosen == choice)
    }
}

/// `GET /access`
pub(crate) async fn page(
    State(site): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    params: crate::params::Params,
) -> Page {
    let news = News { changed: params.text("changed").is_some(), ..News::default() };
    show(&Visit { site: &site, uri: &uri, headers: &headers }, &visitor, news)
}

fn show(visit: &Visit<'_>, visitor: &Visitor, news: News) -> Page {
    let (site, now) = (visit.site, Timestamp::now());
    let registry = &site.app.registry;
    let here = session::of(site, visit.headers);
    let mut shell = Shell::new(visit, "Access", Some(Tab::Access));
    // Forms answer under addresses of their own.
    shell.back = "/access".into();
    let entry = |credential: Credential| entry(site, credential, now);
    let browser = |session: Session| browser(site, session, here.as_ref(), now);
    let services = registry.services();
    render(&AccessPage {
        shell,
        news,
        readers: registry.readers().into_iter().map(entry).collect(),
        scripts: registry.scripts().into_iter().map(entry).collect(),
        sessions: registry.sessions().into_iter().map(browser).collect(),
        services: services.iter().map(|s| (s.id.to_string(), s.name.clone())).collect(),
        has_password: registry.has_password(),
        asks_current: registry.has_password() && *visitor != Visitor::Local,
    })
}

fn entry(site: &Site, credential: Credential, now: Timestamp) -> Entry {
    let bound = credential.service_no.and_then(|number| site.app.registry.by_number(number));
    let allows = match (credential.role, bound) {
        (Role::ApiManage, _) => "read and change".to_owned(),
        (Role::ApiRead, _) => "read".to_owned(),
        (_, Some(service)) => service.name.clone(),
        (_, None) => "all services".to_owned(),
    };
    let made = site.clock.moment(credential.created_at, now);
    Entry { name: credential.name, allows, made }
}

fn browser(site: &Site, session: Session, here: Option<&Session>, now: Timestamp) -> Browser {
    Browser {
        this: here.is_some_and(|here| here.hash == session.hash),
        client: session.client,
        begun: site.clock.moment(session.created_at, now),
        seen: site.clock.moment(session.last_seen_at, now),
        hash: session.hash,
    }
}
