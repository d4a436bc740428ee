//! rumqttd's router has no stop: it is ended by a request that makes its
//! thread panic. That panic is ours and stays out of the log; every other one
//! is reported as before.

use std::{panic, sync::Once, thread};

use parking_lot::Mutex;

/// Names of router threads that are being ended on purpose.
static ENDING: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// Puts a filter before the panic hook, once in the process.
pub(super) fn keep_deliberate_ones_quiet() {
    INSTALL.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_ending(thread::current().name()) {
                report(info);
            }
        }));
    });
}

/// Announces that this thread is about to be ended.
pub(super) fn expect(thread: &str) {
    ENDING.lock().push(thread.to_owned());
}

fn is_ending(name: Option<&str>) -> bool {
    let mut ending = ENDING.lock();
    let found = ending.iter().position(|ending| Some(ending.as_str()) == name);
    if let Some(at) = found {
        ending.swap_remove(at);
    }
    found.is_some()
}
