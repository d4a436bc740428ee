//! The rules as a table: who x action x topic x version.

use komandorr_wire::ServiceId;

use super::*;

fn rules() -> Rules {
    Rules::new(Some("homeassistant"))
}

fn service(id: &str) -> ServiceId {
    ServiceId::new(id).unwrap()
}

fn everybody() -> [(&'static str, Identity); 5] {
    let one = Identity::Reader { name: "r1".into(), service: Some(service("web-1")) };
    [
        ("local", Identity::Local),
        ("web-1", Identity::Service(service("web-1"))),
        ("reader", Identity::Reader { name: "r".into(), service: None }),
        ("one", one),
        ("operator", Identity::Operator),
    ]
}

#[test]
fn publishing_follows_the_table() {
    let table = [
        ("komandorr/traffic/web-1", "local web-1"),
        ("komandorr/status/web-1", "local web-1"),
        ("komandorr/traffic/web-2", "local"),
        ("komandorr/status/web-2", "local"),
        ("komandorr/traffic/current", ""),
        ("komandorr/traffic/+", ""),
        ("komandorr/traffic/#", ""),
        ("komandorr/traffic/web-1/", ""),
        ("komandorr/traffic/web-1/x", ""),
        ("komandorr/traffic/", ""),
        ("komandorr/ack/web-1", ""),
        ("/komandorr/traffic/web-1", ""),
        ("komandorr/state/web-1", ""),
        ("homeassistant/device/komandorr_web-1/config", ""),
        ("homeassistant/status", "local reader operator"),
        ("homeassistant/status/x", ""),
        ("homeassistant", ""),
        ("$SYS/x", ""),
        ("é/xx", ""),
        ("komandorr/traffic/é", ""),
        ("", ""),
    ];
    for (topic, allowed) in table {
        for (name, who) in everybody() {
            let expected = allowed.split(' ').any(|a| a == name);
            assert_eq!(
                rules().publish(&who, topic).is_ok(),
                expected,
                "{name} publishes to {topic:?}"
            );
        }
    }
}

#[test]
fn subscribing_follows_the_table() {
    let all = "local reader operator";
    let table = [
        ("komandorr/traffic/+", all, "all - -"),
        ("komandorr/status/+", all, "- all -"),
        ("komandorr/#", all, "all all some"),
        ("#", all, "all all some"),
        ("komandorr/+/+", all, "all all some"),
        ("+/+/+", all, "all all some"),
        ("+/traffic/#", all, "all - some"),
        ("komandorr/traffic/+/#", all, "all - -"),
        ("komandorr/traffic/web-1", "local reader operator one", "one - -"),
        ("komandorr/status/web-1", "local reader operator one", "- one -"),
        ("komandorr/+/web-1", all, "one one some"),
        ("komandorr/status/web-1/#", all, "- one -"),
        ("komandorr/traffic/web-2", all, "one - -"),
        ("komandorr/state/+", all, "- - some"),
        ("komandorr/state/web-1", "local reader operator one", "- - some"),
        ("komandorr/state/web-2", all, "- - some"),
        ("homeassistant/#", all, "- - some"),
        ("homeassistant/+/+/config", all, "- - some"),
        ("homeassistant/light/+/config", all, "- - some"),
        ("homeassistant/status", all, "- - some"),
        ("komandorr/traffic", "", ""),
        ("komandorr/traffic/+/+", "", ""),
        ("komandorr/traffic/web-1/#/x", "", ""),
        ("komandorr", "", ""),
        ("other/#", "", ""),
        ("$SYS/#", "", ""),
        ("$share/g/komandorr/traffic/+", "", ""),
        ("komandorr/traffic/web+", "", ""),
        ("komandorr/#/x", "", ""),
        ("", "", ""),
    ];
    let word = |scope: &Scope| match scope {
        Scope::Nothing => "-",
        Scope::One(_) => "one",
        Scope::All => "all",
    };
    for (filter, allowed, covers) in table {
        for (name, who) in everybody() {
            let expected = allowed.split(' ').any(|a| a == name);
            let verdict = rules().subscribe(&who, filter);
            assert_eq!(verdict.is_ok(), expected, "{name} subscribes to {filter:?}");
            if let Ok(c) = verdict {
                let notices = if c.notices { "some" } else { "-" };
                let shown = format!("{} {} {notices}", word(&c.traffic), word(&c.status));
                assert_eq!(shown, covers, "{filter}");
            }
        }
    }
}

#[test]
fn without_notices_nobody_reads_them_or_greets() {
    let rules = Rules::new(None);
    for (name, who) in everybody() {
        for filter in ["komandorr/state/+", "komandorr/state/web-1", "homeassistant/#"] {
            assert_eq!(rules.subscribe(&who, filter), Err(Refusal::NotAllowed), "{name} {filter}");
        }
        assert_eq!(rules.publish(&who, "homeassistant/status"), Err(Refusal::NotAllowed), "{name}");
    }
}

#[test]
fn a_refused_subscription_has_the_code_of_its_version() {
    let table = [
        ("komandorr/traffic/web-2", Refusal::NotAllowed, 0x87),
        ("komandorr/#/x", Refusal::FilterInvalid, 0x8f),
        ("$share/g/komandorr/traffic/web-1", Refusal::Shared, 0x9e),
    ];
    let reader = Identity::Reader { name: "r1".into(), service: Some(service("web-1")) };
    for (filter, refusal, code) in table {
        assert_eq!(rules().subscribe(&reader, filter), Err(refusal));
        assert_eq!(refusal.suback(Version::V5), code);
        assert_eq!(refusal.suback(Version::V311), 0x80);
    }
    assert_eq!(Refusal::TooMany.suback(Version::V5), 0x97);
}
