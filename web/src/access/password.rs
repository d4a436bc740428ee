//! Checking the administrator's password: slowly for whoever guesses, and with
//! bounded work however many guess at once.

use std::{
    net::IpAddr,
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use komandorr_collector::registry::ADMIN;
use komandorr_config::guesses::{Address, SlowDown};
use tokio::{
    sync::Semaphore,
    time::{sleep_until, timeout},
};

use super::{Visitor, names::LONGEST_PASSWORD_BYTES};
use crate::{App, error::Failure, site::Shared};

/// What the first wrong password costs its address; each further one twice as much.
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// An attempt waits for its turn; who would have to wait longer is sent away.
const LONGEST_TURN: Duration = Duration::from_secs(2);
/// How long an attempt may wait for others', which come from elsewhere.
const LONGEST_QUEUE: Duration = Duration::from_secs(5);

/// Where a password is shown. Each slows down by itself: a program with a
/// stale password must not keep people on the same address from logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In the form of a page.
    Form,
    /// With every request, as `Basic`.
    Header,
}

/// Who was wrong lately, and how many are being checked.
#[derive(Debug)]
pub(crate) struct Checks {
    form: SlowDown,
    header: SlowDown,
    /// One check takes a core for a while and 19 MiB: half of the cores stay
    /// with those who are in.
    running: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            form: SlowDown::new(FIRST_DELAY),
            header: SlowDown::new(FIRST_DELAY),
            running: Arc::new(Semaphore::new((cores / 2).max(1))),
        }
    }
}

/// Whether name and password are the administrator's. An error says why it
/// was not even looked at.
pub(crate) async fn is_admin(
    site: &Shared,
    shown: Shown,
    peer: IpAddr,
    name: &str,
    password: &str,
) -> Result<bool, Failure> {
    let slow_down = match shown {
        Shown::Form => &site.checks.form,
        Shown::Header => &site.checks.header,
    };
    let address = Address::from(peer);
    wait_for_turn(slow_down, address).await?;
    let plausible = name == ADMIN && password.len() <= LONGEST_PASSWORD_BYTES;
    let right = plausible && check(site, password).await?;
    if !right {
        slow_down.wrong(address, Instant::now());
        tracing::warn!(%peer, "a wrong name or password");
    }
    Ok(right)
}

/// Whoever changes the password knows the present one, except on this machine
/// and where there is none yet.
pub(crate) async fn prove(
    site: &Shared,
    visitor: &Visitor,
    peer: IpAddr,
    current: &str,
) -> Result<(), Failure> {
    if *visitor == Visitor::Local || !site.app.registry.has_password() {
        return Ok(());
    }
    if is_admin(site, Shown::Form, peer, ADMIN, current).await? {
        return Ok(());
    }
    let message = "the current password is wrong";
    Err(Failure::new(StatusCode::FORBIDDEN, "wrong_password", message))
}

async fn wait_for_turn(slow_down: &SlowDown, address: Address) -> Result<(), Failure> {
    let now = Instant::now();
    let turn = slow_down.turn(address, now);
    let wait = turn.saturating_duration_since(now);
    if wait > LONGEST_TURN {
        slow_down.give_back(address, turn);
        return Err(Failure::too_many_guesses(wait));
    }
    sleep_until(turn.into()).await;
    Ok(())
}

async fn check(site: &Shared, password: &str) -> Result<bool, Failure> {
    if site.app.registry.password_is_proven(password) {
        return Ok(true);
    }
    let place = timeout(LONGEST_QUEUE, Arc::clone(&site.checks.running).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(Failure::busy()) };
    let password = password.to_owned();
    // The place goes along: a client that hangs up does not stop the check.
    let check = move |app: &App| (app.registry.password_is(&password), place).0;
    site.change(check).await
}

impl Failure {
    fn too_many_guesses(wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        let message = format!(
            "too many wrong passwords came from this address: try again in {seconds} seconds"
        );
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_guesses", message);
        failure.after(seconds)
    }

    fn busy() -> Self {
        let message = "too many people are logging in: try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).after(LONGEST_QUEUE.as_secs())
    }
}
