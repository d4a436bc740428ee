//! What the API's description says of the parameters that several operations
//! share. They are read one by one, by [`Params`](super::Params), so that an
//! error can name the one that is wrong; nothing ever makes one of these.

use utoipa::{
    IntoParams,
    openapi::{Object, ObjectBuilder, schema::Type},
};

/// Which services.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes")]
pub(crate) struct ScopeParams {
    /// Only this service, or these with commas between.
    #[param(
        pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(,[A-Za-z0-9][A-Za-z0-9_-]{0,63})*$",
        example = "edge-fra-01"
    )]
    service: Option<String>,
    /// Only the services of this group.
    #[param(min_length = 1, max_length = 500, example = "Edge")]
    group: Option<String>,
}

/// From when to when.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes")]
pub(crate) struct RangeParams {
    /// So many hours before now; not together with `from` and `to`.
    #[param(exclusive_minimum = 0.0, maximum = 96_624.0, default = 24.0, example = 24)]
    hours: Option<f64>,
    /// Begin of the range; without it `hours` before the end.
    #[param(format = DateTime, example = "2026-11-20T00:00:00Z")]
    from: Option<String>,
    /// End of the range; without it now. At most eleven years after `from`.
    #[param(format = DateTime, example = "2026-11-21T00:00:00Z")]
    to: Option<String>,
}

/// How finely.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes")]
pub(crate) struct StepParams {
    /// Length of a step. `raw` are the samples as they came, as far back as they are kept.
    #[param(schema_with = step, example = "5m")]
    step: Option<String>,
}

/// How long an old token goes on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes")]
pub(crate) struct GraceParams {
    /// For so many seconds the old token opens the door as well, at most 30
    /// days; without it, it stops at once.
    #[param(minimum = 0, maximum = 2_592_000, default = 0, example = 3600)]
    old_valid_seconds: Option<u32>,
}

/// Which part of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes")]
pub(crate) struct PageParams {
    /// At most so many; the header `link` has the address of the next page.
    #[param(minimum = 1, maximum = 10_000, default = 10_000, example = 100)]
    limit: Option<u32>,
    /// Only those after this one, in the order of ids or names.
    #[param(pattern = "^[A-Za-z0-9_.@-]{1,64}$", example = "edge-fra-01")]
    after: Option<String>,
}

fn step() -> Object {
    let words = Some(["raw", "5m", "1h", "1d", "1w"]);
    ObjectBuilder::new().schema_type(Type::String).enum_values(words).build()
}
