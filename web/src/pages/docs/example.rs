//! Examples, made from schemas: an object with all its fields, in their order.

use utoipa::openapi::{
    Object, RefOr, Schema,
    schema::{AdditionalProperties, ArrayItems, SchemaType, Type},
};

use super::schema::{is_time, properties, target};

/// A schema that holds itself is followed no further than this.
const DEEPEST: usize = 6;
/// A moment, where the description gives none.
const MOMENT: &str = "\"2026-11-20T19:14:08Z\"";

/// An example as JSON.
pub(super) fn of(schema: &'static RefOr<Schema>) -> String {
    written(schema, 0)
}

/// A value as it is written in an address: without quotes.
pub(super) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn written(schema: &'static RefOr<Schema>, depth: usize) -> String {
    if depth > DEEPEST {
        return "null".to_owned();
    }
    match schema {
        RefOr::Ref(to) => target(to).map_or_else(null, |schema| written(schema, depth)),
        RefOr::T(Schema::Array(array)) => match (&array.items, &array.example) {
            (_, Some(value)) => value.to_string(),
            (ArrayItems::RefOrSchema(items), None) => {
                lines('[', [written(items, depth + 1)], ']', depth)
            }
            (ArrayItems::False, None) => "[]".to_owned(),
        },
        RefOr::T(Schema::OneOf(one)) => first(&one.items, depth),
        RefOr::T(Schema::AnyOf(any)) => first(&any.items, depth),
        RefOr::T(Schema::AllOf(_)) => fields(schema, depth),
        RefOr::T(Schema::Object(object)) => {
            let given = object.example.as_ref().or(object.examples.first());
            let usual = object.enum_values.as_ref().and_then(|values| values.first());
            match given.or(object.default.as_ref()).or(usual) {
                Some(value) => value.to_string(),
                None if !object.properties.is_empty() => fields(schema, depth),
                None => scalar(object, depth),
            }
        }
        RefOr::T(_) => null(),
    }
}

fn null() -> String {
    "null".to_owned()
}

/// The first that is not `null`.
fn first(items: &'static [RefOr<Schema>], depth: usize) -> String {
    let all = items.iter().map(|item| written(item, depth));
    all.into_iter().find(|text| text != "null").unwrap_or_else(null)
}

fn fields(schema: &'static RefOr<Schema>, depth: usize) -> String {
    let field = |(name, schema, _): (&str, &'static RefOr<Schema>, bool)| {
        format!("\"{name}\": {}", written(schema, depth + 1))
    };
    lines('{', properties(schema).into_iter().map(field), '}', depth)
}

fn lines(open: char, parts: impl IntoIterator<Item = String>, close: char, depth: usize) -> String {
    let indent = "  ".repeat(depth + 1);
    let parts: Vec<_> = parts.into_iter().map(|part| format!("{indent}{part}")).collect();
    format!("{open}\n{}\n{}{close}", parts.join(",\n"), "  ".repeat(depth))
}

fn scalar(object: &'static Object, depth: usize) -> String {
    let of = match &object.schema_type {
        SchemaType::Type(one) => Some(one),
        SchemaType::Array(several) => several.iter().find(|of| **of != Type::Null),
        SchemaType::AnyValue => None,
    };
    match of {
        Some(Type::String) if is_time(object) => MOMENT.to_owned(),
        Some(Type::String) => "\"text\"".to_owned(),
        Some(Type::Integer) => "1".to_owned(),
        Some(Type::Number) => "0.5".to_owned(),
        Some(Type::Boolean) => "true".to_owned(),
        Some(Type::Array) => "[]".to_owned(),
        Some(Type::Object) => match object.additional_properties.as_deref() {
            Some(AdditionalProperties::RefOr(values)) => {
                lines('{', [format!("\"name\": {}", written(values, depth + 1))], '}', depth)
            }
            _ => "{}".to_owned(),
        },
        Some(Type::Null) | None => null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::schema, *};

    #[test]
    fn every_example_is_json_with_all_fields() {
        for view in schema::all() {
            let example: Value = serde_json::from_str(&view.example)
                .unwrap_or_else(|error| panic!("{}: {error}\n{}", view.name, view.example));
            for field in view.fields {
                assert!(example.get(field.name).is_some(), "{}: {}", view.name, field.name);
            }
        }
    }

    #[test]
    fn fields_keep_the_order_of_their_type() {
        let point = of(schema::component("Point").unwrap());
        let place = |field: &str| point.find(&format!("\"{field}\"")).unwrap();
        assert!(place("t") < place("up_bytes") && place("up_bytes") < place("coverage"), "{point}");
    }
}
