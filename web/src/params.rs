//! Parameters of a request, read one by one, so that an error names the one
//! that is wrong and says what is allowed.

mod described;
mod page;

use std::{fmt, str::FromStr};

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Range, Scope, Step};
use komandorr_wire::ServiceId;

pub(crate) use described::{GraceParams, PageParams, RangeParams, ScopeParams, StepParams};

use crate::error::Failure;

/// Longest range that one question may span: everything that is ever kept.
pub(crate) const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(24 * 366 * 11);
#[allow(clippy::cast_precision_loss, reason = "hours of eleven years")]
const MOST_HOURS: f64 = LONGEST_RANGE.as_hours() as f64;
/// Longest name of a group, in characters.
const LONGEST_GROUP: usize = 500;

/// What stands behind the `?` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::of(&parts.uri)
    }
}

impl Params {
    /// Of an address.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Failure> {
        Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| Failure::invalid(format!("the query cannot be read: {error}")))
    }

    /// Refuses a parameter that is not among the known ones, that comes twice
    /// or that is empty.
    pub(crate) fn check(&self, known: &[&str]) -> Result<(), Failure> {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let shown = cut(name);
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "this address takes none".to_owned(),
                    known => format!("this address takes {}", known.join(", ")),
                };
                return Err(Failure::invalid(format!(
                    "there is no parameter \"{shown}\": {known}"
                )));
            }
            if value.is_empty() {
                let message = format!("{shown} is empty: give it a value, or leave it out");
                return Err(Failure::invalid(message));
            }
            if self.0.iter().take(place).any(|(before, _)| before == name) {
                return Err(Failure::invalid(format!("{shown} is given twice")));
            }
        }
        Ok(())
    }

    /// A parameter's text; an empty one counts as absent, as forms send it.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter's last text, an empty one included, as other servers read it.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be of a kind, where it is given.
    pub(crate) fn parse<T: FromStr>(
        &self,
        name: &str,
        allowed: impl fmt::Display,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Failure::invalid(format!("{name} must be {allowed}, not \"{}\"", cut(text)));
        text.parse().ok().map(Some).ok_or_else(wrong)
    }

    /// A number within bounds.
    pub(crate) fn number(
        &self,
        name: &str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, Failure> {
        let allowed = format!("a number from {} to {}", bounds.start(), bounds.end());
        let number: Option<u32> = self.parse(name, &allowed)?;
        match number.filter(|n| !bounds.contains(n)) {
            Some(n) => Err(Failure::invalid(format!("{name} must be {allowed}, not {n}"))),
            None => Ok(number),
        }
    }

    /// A moment in RFC 3339.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        self.parse(name, "a time such as 2026-11-20T00:00:00Z")
    }

    /// `service=`.
    pub(crate) fn service(&self) -> Result<Option<ServiceId>, Failure> {
        self.text("service")
            .map(|text| ServiceId::new(text).map_err(|e| Failure::invalid(format!("service: {e}"))))
            .transpose()
    }

    fn group(&self) -> Result<Option<String>, Failure> {
        match self.text("group") {
            Some(name) if name.chars().count() > LONGEST_GROUP => {
                let message = format!("group must be at most {LONGEST_GROUP} characters long");
                Err(Failure::invalid(message))
            }
            name => Ok(name.map(str::to_owned)),
        }
    }

    /// `service=`, one or several with commas between, or `group=`; neither
    /// means all.
    pub(crate) fn scope(&self) -> Result<Scope, Failure> {
        let named = self.text("service").map(services).transpose();
        let named = named.map_err(|reason| Failure::invalid(format!("service: {reason}")))?;
        match (named, self.group()?.map(Scope::Group)) {
            (Some(_), Some(_)) => Err(Failure::invalid("give either service or group, not both")),
            (services, group) => Ok(services.or(group).unwrap_or(Scope::All)),
        }
    }

    /// `from=` and `to=`, or `hours=` before now (24 where nothing is said).
    pub(crate) fn range(&self, now: Timestamp) -> Result<Range, Failure> {
        let hours: Option<f64> = self.parse("hours", "a number of hours")?;
        let (from, to) = (self.moment("from")?, self.moment("to")?);
        if hours.is_some() && (from.is_some() || to.is_some()) {
            return Err(Failure::invalid("give either hours or from and to, not both"));
        }
        let hours = hours.unwrap_or(24.0);
        if !(hours > 0.0 && hours <= MOST_HOURS) {
            let most = MOST_HOURS;
            return Err(Failure::invalid(format!("hours must be above 0 and at most {most}")));
        }
        let to = to.unwrap_or(now);
        let from = match from {
            Some(from) => from,
            None => before(to, hours).ok_or_else(|| Failure::invalid("from is missing"))?,
        };
        let range = Range::new(from, to);
        let range = range.ok().ok_or_else(|| Failure::invalid("from must be before to"))?;
        if to.duration_since(from) > LONGEST_RANGE {
            return Err(Failure::invalid("from must be at most eleven years before to"));
        }
        Ok(range)
    }

    /// `step=raw|5m|1h|1d|1w`.
    pub(crate) fn step(&self) -> Result<Option<Step>, Failure> {
        let Some(text) = self.text("step") else { return Ok(None) };
        let named = Step::ALL.into_iter().find(|step| step.word() == text);
        let wrong = || format!("step must be raw, 5m, 1h, 1d or 1w, not \"{}\"", cut(text));
        named.map(Some).ok_or_else(|| Failure::invalid(wrong()))
    }
}

/// One service id, or several with commas between.
pub(crate) fn services(text: &str) -> Result<Scope, komandorr_wire::InvalidServiceId> {
    if !text.contains(',') {
        return ServiceId::new(text).map(Scope::One);
    }
    let mut ids = Vec::new();
    for id in text.split(',') {
        let id = ServiceId::new(id)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(Scope::Several(ids))
}

/// The moment some hours before another.
fn before(to: Timestamp, hours: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation, reason = "hours are bounded")]
    let millis = (hours * 3_600_000.0).round() as i64;
    to.checked_sub(SignedDuration::from_millis(millis)).ok()
}

/// Reads a query as the addresses of the API do, and tells what is said of it:
/// what a fuzzer calls, and what its corpus is replayed with.
pub fn fuzz(query: &str) -> Vec<String> {
    let Ok(uri) = format!("/?{query}").parse() else { return Vec::new() };
    let Ok(params) = Params::of(&uri) else { return Vec::new() };
    let now = Timestamp::from_millisecond(1_795_436_400_000).unwrap_or_default();
    let refusals = [
        params.check(&["service", "group", "hours", "from", "to", "step"]).err(),
        params.range(now).err(),
        params.step().err(),
        params.scope().err(),
        params.service().err(),
        params.page().err(),
        params.number("weeks", 1..=520).err(),
    ];
    refusals.into_iter().flatten().map(|refusal| refusal.message).collect()
}

/// The beginning of a text from outside, for an error message.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("/?{query}").parse().unwrap();
        Params(Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap().0)
    }

    fn now() -> Timestamp {
        "2026-11-20T19:14:08Z".parse().unwrap()
    }

    fn refused(query: &str) -> String {
        let params = params(query);
        let wrong = params.range(now()).err().or(params.step().err()).or(params.service().err());
        wrong.map(|failure| failure.message).unwrap_or_default()
    }

    #[test]
    fn a_range_is_hours_before_now_or_from_and_to() {
        let range = params("").range(now()).unwrap();
        assert_eq!(range.from.to_string(), "2026-11-19T19:14:08Z");
        let range = params("hours=0.5").range(now()).unwrap();
        assert_eq!(range.from.to_string(), "2026-11-20T18:44:08Z");
        let range = params("from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00%2B01:00");
        assert_eq!(range.range(now()).unwrap().to.to_string(), "2026-11-01T23:00:00Z");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (query, word) in [
            ("hours=many", "hours must be a number of hours, not \"many\""),
            ("hours=0", "hours must be above 0"),
            ("hours=NaN", "hours must be above 0"),
            ("hours=1e9", "hours must be above 0 and at most"),
            ("hours=1&to=2026-11-02T00:00:00Z", "either hours or from"),
            ("from=yesterday", "from must be a time such as"),
            ("from=2026-11-21T00:00:00Z", "from must be before to"),
            ("from=1990-11-21T00:00:00Z", "at most eleven years"),
            ("step=2m", "step must be raw, 5m, 1h, 1d or 1w"),
            ("service=..", "service: \"..\" is no service id"),
        ] {
            let message = refused(query);
            assert!(message.contains(word), "{query}: {message}");
        }
    }

    #[test]
    fn an_empty_field_of_a_form_counts_as_absent() {
        assert_eq!(params("service=&step=").service().unwrap(), None);
        assert_eq!(params("group=").scope().unwrap(), Scope::All);
    }

    #[test]
    fn several_services_stand_with_commas_between() {
        let id = |text| ServiceId::new(text).unwrap();
        assert_eq!(params("service=a").scope().unwrap(), Scope::One(id("a")));
        assert_eq!(
            params("service=a,b,a").scope().unwrap(),
            Scope::Several(vec![id("a"), id("b")])
        );
        assert!(params("service=a,,b").scope().unwrap_err().message.starts_with("service: "));
    }

    /// What a fuzzer found worth keeping.
    #[test]
    fn the_fuzzer_s_corpus_is_read_or_refused() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/queries");
        let mut files = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let query = std::fs::read(entry.unwrap().path()).unwrap();
            // A sentence, whatever it is about.
            let said = fuzz(&String::from_utf8_lossy(&query));
            assert!(said.iter().all(|message| message.chars().count() < 300), "{said:?}");
            files += 1;
        }
        assert!(files >= 10, "the corpus in {corpus} is gone");
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_or_refused(hours in ".*", from in ".*", step in ".*") {
            let params = Params(vec![
                ("hours".into(), hours), ("from".into(), from), ("step".into(), step),
            ]);
            drop((params.range(now()), params.step()));
        }
    }
}
