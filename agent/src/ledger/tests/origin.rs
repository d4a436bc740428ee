//! Interfaces that are made anew, renamed, or come from elsewhere.

use super::*;

/// Bytes of the last of these readings, 5 s apart in one boot.
fn last_bytes(readings: &[&[Reading]]) -> (Pair, Ledger) {
    let mut ledger = Ledger::default();
    let mut bytes = Pair::default();
    for (readings, i) in readings.iter().zip(1..) {
        bytes = take(&mut ledger, "a", i * 5000, readings).interval.unwrap_or_default().bytes;
    }
    (bytes, ledger)
}

#[test]
fn an_interface_that_was_made_anew_is_credited_from_its_beginning() {
    let eth0 = reading("eth0", 2, 1, 1);
    let ppp0 = |index, up, down| [eth0.clone(), reading("ppp0", index, up, down)];
    let old = ppp0(7, 900_000, 5_000_000);
    let all = Pair { up: 40_000, down: 70_000 };
    // Within one interval, and after one without it.
    assert_eq!(last_bytes(&[&old, &ppp0(8, all.up, all.down)]).0, all);
    let (bytes, ledger) = last_bytes(&[&old, &old[..1], &ppp0(8, all.up, all.down)]);
    assert_eq!(bytes, all);
    assert_eq!(ledger.accounts["ppp0"].total, all);
}

#[test]
fn an_interface_that_may_have_come_with_old_counters_begins_with_what_it_shows() {
    let eth0 = reading("eth0", 9, 1, 1);
    let usb0 = |index, up, down| [eth0.clone(), reading("usb0", index, up, down)];
    let old = usb0(7, 900_000, 5_000_000);
    for (now, why) in [
        (usb0(10, 900_000, 5_000_500), "its own ones, from another namespace"),
        (usb0(8, 40_000, 70_000), "made before the last reading"),
        (usb0(10, 40_000, 1 << 50), "more than passes in an interval"),
    ] {
        assert_eq!(last_bytes(&[&old, &now]).0, Pair::default(), "{why}");
    }
    // A name that nobody knew may be an interface of another namespace.
    let other = [eth0.clone(), reading("wan", 10, 40_000, 70_000)];
    assert_eq!(last_bytes(&[&old[..1], &other]).0, Pair::default());
}

#[test]
fn a_renamed_interface_goes_on_with_its_counters_and_its_total() {
    let named = |name, up, down| [reading(name, 3, up, down)];
    let (bytes, ledger) =
        last_bytes(&[&named("eth1", 100, 100), &named("eth1", 150, 160), &named("lan", 157, 168)]);
    assert_eq!(bytes, Pair { up: 7, down: 8 });
    assert_eq!(ledger.accounts["lan"].total, Pair { up: 57, down: 68 });
    assert_eq!(ledger.total, ledger.accounts["lan"].total);
    assert!(!ledger.accounts.contains_key("eth1"), "one interface, one account");
}

#[test]
fn another_interface_with_the_number_of_one_that_is_there_or_was_is_not_renamed() {
    let two = |name, index, up| [reading("eth1", 3, 100, 100), reading(name, index, up, up)];
    // Its counters have fallen; it is still there; it had gone before; unnumbered.
    assert_eq!(last_bytes(&[&two("x", 3, 900)[..1], &[reading("y", 3, 7, 7)]]).0.sum(), 0);
    assert_eq!(last_bytes(&[&two("x", 4, 900)[..1], &two("y", 3, 900)]).0.sum(), 0);
    assert_eq!(last_bytes(&[&two("x", 4, 900)[..1], &[], &[reading("y", 3, 900, 900)]]).0.sum(), 0);
    assert_eq!(last_bytes(&[&[reading("x", 0, 1, 1)], &[reading("y", 0, 9, 9)]]).0.sum(), 0);
}
