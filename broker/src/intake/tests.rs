//! The bookkeeping of acknowledgements, without a socket or a store.

use komandorr_wire::{DecodeError, ServiceId};

use super::*;

fn message() -> Message {
    let service = ServiceId::new("web-1").unwrap();
    Message { service, payload: bytes::Bytes::from_static(b"x"), arrived_ms: 0 }
}

fn intake() -> (Intake, mpsc::Receiver<Delivery>) {
    let (tx, rx) = mpsc::channel(8);
    (Intake::new(tx, 1 << 20), rx)
}

fn take(window: &mut Window, intake: &Intake, packet_id: Option<u16>) {
    let bytes = Arc::clone(&intake.budget).try_acquire_many_owned(intake.cost(1)).unwrap();
    window.take(message(), bytes, packet_id, Instant::now());
}

fn ids(window: &mut Window) -> Vec<(u16, Option<u8>)> {
    std::iter::from_fn(|| window.due()).map(|d| (d.packet_id, d.reason)).collect()
}

#[test]
fn nothing_is_due_before_it_is_settled() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    take(&mut window, &intake, Some(1));
    take(&mut window, &intake, None);
    take(&mut window, &intake, Some(2));
    let delivery = window.delivery().unwrap();
    assert_eq!(delivery.messages.len(), 3);
    assert!(window.due().is_none());
    delivery.settle.settle(&[Outcome::Stored, Outcome::Stored, Outcome::Stored]);
    assert_eq!(ids(&mut window), [(1, Some(0)), (2, Some(0))]);
    drop(delivery);
    assert!(!window.is_lost());
    assert_eq!(intake.waiting_bytes(), 0);
}

#[test]
fn a_refused_message_is_acknowledged_as_such() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    take(&mut window, &intake, None);
    take(&mut window, &intake, Some(7));
    take(&mut window, &intake, Some(8));
    let delivery = window.delivery().unwrap();
    let refused = Outcome::Refused(DecodeError::Empty);
    delivery.settle.settle(&[refused.clone(), refused, Outcome::Stored]);
    assert_eq!(ids(&mut window), [(7, None), (8, Some(0))]);
}

#[test]
fn refusals_that_nobody_asks_for_are_not_kept() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    for _ in 0..3 {
        take(&mut window, &intake, None);
        let delivery = window.delivery().unwrap();
        delivery.settle.settle(&[Outcome::Refused(DecodeError::Empty)]);
        assert!(window.due().is_none());
        assert!(window.slot.refused.lock().is_empty());
    }
}

#[test]
fn answers_that_need_no_store_wait_for_their_turn() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    window.answer(1, 0, Instant::now());
    take(&mut window, &intake, Some(2));
    window.answer(3, 0x99, Instant::now());
    assert_eq!(ids(&mut window), [(1, Some(0))]);
    window.delivery().unwrap().settle.settle(&[Outcome::Stored]);
    assert_eq!(ids(&mut window), [(2, Some(0)), (3, Some(0x99))]);
}

#[test]
fn a_delivery_dropped_unsettled_is_lost() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    take(&mut window, &intake, Some(1));
    drop(window.delivery());
    assert!(window.is_lost());
    assert!(window.due().is_none());
    assert_eq!(intake.waiting_bytes(), 0);
}

#[test]
fn too_few_outcomes_leave_the_rest_unacknowledged() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    take(&mut window, &intake, Some(1));
    take(&mut window, &intake, Some(2));
    let delivery = window.delivery().unwrap();
    delivery.settle.settle(&[Outcome::Stored]);
    drop(delivery);
    assert_eq!(ids(&mut window), [(1, Some(0))]);
    assert!(window.is_lost());
}

#[tokio::test]
async fn a_drained_intake_takes_nothing_more() {
    let (intake, mut rx) = intake();
    let mut window = Window::default();
    take(&mut window, &intake, Some(1));
    let place = intake.deliveries.clone().reserve_owned().await.unwrap();
    intake.close();
    intake.hand_over(place, &mut window);
    assert!(rx.try_recv().is_err());
    assert_eq!(window.batched(), 1);
    assert!(!window.is_lost());
}

#[test]
fn what_was_settled_before_a_loss_is_acknowledged_and_nothing_after_it() {
    let (intake, _rx) = intake();
    let mut window = Window::default();
    let mut deliver = |id| {
        take(&mut window, &intake, Some(id));
        window.delivery().unwrap()
    };
    let (first, second, third) = (deliver(1), deliver(2), deliver(3));
    first.settle.settle(&[Outcome::Stored]);
    drop(second);
    third.settle.settle(&[Outcome::Stored]);
    assert_eq!(ids(&mut window), [(1, Some(0))]);
    assert!(window.is_lost());
}
