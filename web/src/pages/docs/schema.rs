//! Schemas in words: of what kind a value is, within which bounds, and which
//! fields an object has.

use utoipa::{
    Number,
    openapi::{
        KnownFormat, Object, Ref, RefOr, Schema, SchemaFormat,
        schema::{ArrayItems, SchemaType, Type},
    },
};

use super::{
    DOCUMENT, example, schema_names,
    words::{Words, paragraphs},
};

/// A schema that has a name.
#[derive(Debug)]
pub(super) struct SchemaView {
    pub(super) name: &'static str,
    pub(super) words: Vec<Words>,
    pub(super) fields: Vec<FieldView>,
    pub(super) example: String,
}

/// A field of an object, or a parameter.
#[derive(Debug)]
pub(super) struct FieldView {
    pub(super) name: &'static str,
    pub(super) kind: String,
    /// The schema that its kind names.
    pub(super) link: Option<String>,
    pub(super) required: bool,
    pub(super) words: Vec<Words>,
    pub(super) bounds: String,
}

/// All that have a name.
pub(super) fn all() -> Vec<SchemaView> {
    schema_names().into_iter().filter_map(|name| Some(named(name, component(name)?))).collect()
}

/// A schema by its name.
pub(super) fn component(name: &str) -> Option<&'static RefOr<Schema>> {
    DOCUMENT.components.as_ref()?.schemas.get(name)
}

fn named(name: &'static str, schema: &'static RefOr<Schema>) -> SchemaView {
    let fields = properties(schema).into_iter();
    SchemaView {
        name,
        words: paragraphs(description(schema)),
        fields: fields
            .map(|(name, schema, required)| FieldView {
                name,
                kind: kind(schema),
                link: link(schema),
                required,
                words: paragraphs(description(schema)),
                bounds: bounds(schema),
            })
            .collect(),
        example: example::of(schema),
    }
}

/// The fields of an object, those included that it takes over from others.
pub(super) fn properties(
    schema: &'static RefOr<Schema>,
) -> Vec<(&'static str, &'static RefOr<Schema>, bool)> {
    match schema {
        RefOr::Ref(to) => target(to).map(properties).unwrap_or_default(),
        RefOr::T(Schema::Object(object)) => {
            let field = |(name, schema): (&'static String, _)| {
                (name.as_str(), schema, object.required.contains(name))
            };
            object.properties.iter().map(field).collect()
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter().flat_map(properties).collect(),
        RefOr::T(_) => Vec::new(),
    }
}

/// What a reference points to.
pub(super) fn target(to: &Ref) -> Option<&'static RefOr<Schema>> {
    component(name_of(to))
}

fn name_of(to: &Ref) -> &str {
    to.ref_location.rsplit('/').next().unwrap_or_default()
}

/// Of what kind a value is, such as `integer or null`.
pub(super) fn kind(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(to) => name_of(to).to_owned(),
        RefOr::T(Schema::Object(object)) => object_kind(object),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => format!("array of {}", kind(items)),
            ArrayItems::False => "array".to_owned(),
        },
        RefOr::T(Schema::OneOf(one)) => either(&one.items),
        RefOr::T(Schema::AnyOf(any)) => either(&any.items),
        RefOr::T(_) => "object".to_owned(),
    }
}

/// `null` comes last, whatever order the description has.
fn either(items: &[RefOr<Schema>]) -> String {
    let mut kinds: Vec<_> = items.iter().map(kind).collect();
    kinds.sort_by_key(|kind| kind == "null");
    kinds.join(" or ")
}

fn object_kind(object: &Object) -> String {
    let types = match &object.schema_type {
        SchemaType::Type(one) => vec![one],
        SchemaType::Array(several) => several.iter().collect(),
        SchemaType::AnyValue => return "any value".to_owned(),
    };
    let word = |of: &&Type| match of {
        Type::Object => "object",
        Type::String if is_time(object) => "time",
        Type::String => "text",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "true or false",
        Type::Array => "array",
        Type::Null => "null",
    };
    types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// Whether a text is a moment.
pub(super) fn is_time(object: &Object) -> bool {
    matches!(object.format, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// The schema that a kind names.
pub(super) fn link(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::Ref(to) => Some(name_of(to).to_owned()),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => link(items),
            ArrayItems::False => None,
        },
        RefOr::T(Schema::OneOf(one)) => one.items.iter().find_map(link),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter().find_map(link),
        RefOr::T(_) => None,
    }
}

/// What is said of it.
pub(super) fn description(schema: &RefOr<Schema>) -> Option<&str> {
    match schema {
        RefOr::Ref(to) => Some(to.description.as_str()).filter(|text| !text.is_empty()),
        RefOr::T(Schema::Object(object)) => object.description.as_deref(),
        RefOr::T(Schema::Array(array)) => array.description.as_deref(),
        RefOr::T(Schema::OneOf(one)) => one.description.as_deref(),
        RefOr::T(Schema::AllOf(all)) => all.description.as_deref(),
        RefOr::T(Schema::AnyOf(any)) => any.description.as_deref(),
        RefOr::T(_) => None,
    }
}

/// What is allowed, in words: `one of raw, 5m`, `1 to 104`, `default 4`.
pub(super) fn bounds(schema: &RefOr<Schema>) -> String {
    let RefOr::T(Schema::Object(object)) = schema else { return String::new() };
    let mut said = Vec::new();
    if let Some(values) = &object.enum_values {
        let words: Vec<_> = values.iter().filter(|v| !v.is_null()).map(example::plain).collect();
        said.push(format!("one of {}", words.join(", ")));
    }
    let (least, most) = (object.minimum.as_ref(), object.maximum.as_ref());
    match (least.map(number), object.exclusive_minimum.as_ref().map(number), most.map(number)) {
        (Some(least), _, Some(most)) => said.push(format!("{least} to {most}")),
        (_, Some(above), Some(most)) => said.push(format!("above {above}, at most {most}")),
        (Some(least), _, None) if least != "0" => said.push(format!("at least {least}")),
        (None, None, Some(most)) => said.push(format!("at most {most}")),
        _ => {}
    }
    if let Some(longest) = object.max_length {
        said.push(format!("at most {longest} characters"));
    }
    if let Some(usual) = object.default.as_ref() {
        said.push(format!("default {}", example::plain(usual)));
    }
    said.join("; ")
}

fn number(number: &Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::UInt(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
    }
}
