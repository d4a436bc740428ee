use serde_json::json;

use super::*;

fn problems(body: &str) -> Value {
    let problems = read(Some("application/json"), body.as_bytes()).err();
    serde_json::to_value(problems).unwrap()
}

const GOOD: &str = r#"{"service_id": "web-1", "bandwidth_up": 1.5, "bandwidth_down": "2.25",
    "total_up": 10, "total_down": " 2_0.5e0 ", "cpu_percent": null, "extra": [1, {}]}"#;

#[test]
fn numbers_may_be_texts_and_null_is_absence() {
    let report = read(Some("application/json; charset=utf-8"), GOOD.as_bytes()).unwrap();
    assert_eq!(report.bandwidth, Pair { up: 1.5, down: 2.25 });
    assert_eq!(report.total, Pair { up: 10.0, down: 20.5 });
    assert_eq!((report.cpu_percent, report.max_bandwidth), (None, None));
    assert!(read(None, GOOD.as_bytes()).is_ok(), "without a content type it is JSON");
}

#[test]
fn everything_that_is_missing_is_told_in_order() {
    let told = problems(r#"{"service_id": 7, "total_up": 1}"#);
    let input = json!({"service_id": 7, "total_up": 1});
    let missing = |field: &str| {
        let loc = json!(["body", field]);
        json!({"type": "missing", "loc": loc, "msg": "Field required", "input": input})
    };
    let text = json!({"type": "string_type", "loc": ["body", "service_id"],
        "msg": "Input should be a valid string", "input": 7});
    let expected =
        json!([text, missing("bandwidth_up"), missing("bandwidth_down"), missing("total_down")]);
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_number_is_told_with_what_it_was() {
    for (value, kind, shown) in [
        ("\"fast\"", "float_parsing", json!("fast")),
        ("\"\"", "float_parsing", json!("")),
        ("\"1__0\"", "float_parsing", json!("1__0")),
        ("null", "float_type", json!(null)),
        ("[1]", "float_type", json!([1])),
        ("NaN", "finite_number", json!("NaN")),
        ("-Infinity", "finite_number", json!("-Infinity")),
        ("1e999", "finite_number", json!("1e999")),
        ("\"inf\"", "finite_number", json!("inf")),
        ("1e300", "less_than_equal", json!(1e300)),
    ] {
        let body = GOOD.replace("\"bandwidth_up\": 1.5", &format!("\"bandwidth_up\": {value}"));
        let told = problems(&body);
        assert_eq!(told.as_array().unwrap().len(), 1, "{value}: {told}");
        assert_eq!((&told[0]["type"], &told[0]["input"]), (&json!(kind), &shown), "{value}");
        assert_eq!(told[0]["loc"], json!(["body", "bandwidth_up"]));
    }
}

#[test]
fn a_body_that_is_no_object_is_told_so() {
    assert_eq!(problems("[1, NaN]")[0]["type"], "model_attributes_type");
    assert_eq!(problems("[1, NaN]")[0]["input"], json!([1, "NaN"]));
    assert_eq!(
        problems("")[0],
        json!({"type": "missing", "loc": ["body"],
        "msg": "Field required", "input": null})
    );
    let form = read(Some("application/x-www-form-urlencoded"), b"a=1").unwrap_err();
    assert_eq!(serde_json::to_value(form).unwrap()[0]["input"], "a=1");
    let told = problems("{\"a\": 1,\n  b}");
    assert_eq!(told[0]["type"], "json_invalid");
    assert_eq!(told[0]["loc"], json!(["body", 11]));
    assert_eq!((&told[0]["msg"], &told[0]["input"]), (&json!("JSON decode error"), &json!({})));
    assert!(told[0]["ctx"]["error"].is_string());
}

#[test]
fn words_within_texts_stay_as_they_are() {
    let body = GOOD.replace("web-1", r#"NaN \" Infinity"#).replace("1.5", "-NaN");
    assert_eq!(problems(&body)[0]["type"], "json_invalid", "-NaN is not Python's");
    let body = GOOD.replace("web-1", r#"NaN \" 1e999"#).replace("1.5", "NaN");
    let told = problems(&body);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        drop(read(None, &body));
    }

    #[test]
    fn any_text_is_read_or_refused(body in "[\\[\\]{}\":,a-zIN0-9eE.+ \\\\-]{0,60}") {
        drop(read(Some("application/json"), body.as_bytes()));
    }
}
