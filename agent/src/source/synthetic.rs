//! A source whose counters a function makes: simulated services, and tests.

use std::{fmt, io};

use super::{Link, Load, Reading, Role, Source};

/// One interface whose counters come from a function.
///
/// The function gives `(sent, received)` bytes since the source began: two
/// numbers that only grow, like a network card's.
pub struct Synthetic<F> {
    link: Link,
    counters: F,
    load: Load,
}

impl<F: FnMut() -> (u64, u64) + Send> Synthetic<F> {
    /// An uplink of the given speed (bytes per second) with these counters.
    pub fn new(name: &str, speed: Option<u64>, counters: F) -> Self {
        let link = Link {
            name: name.into(),
            index: 1,
            role: Role::Physical,
            detail: "synthetic".into(),
            bond: None,
            speed,
            up: true,
            default_route: true,
        };
        Self { link, counters, load: Load::default() }
    }

    /// The load that every sample shall carry.
    #[must_use]
    pub fn with_load(mut self, load: Load) -> Self {
        self.load = load;
        self
    }
}

impl<F> fmt::Debug for Synthetic<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synthetic").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<F: FnMut() -> (u64, u64) + Send> Source for Synthetic<F> {
    fn read(&mut self) -> io::Result<Vec<Reading>> {
        let (up, down) = (self.counters)();
        Ok(vec![Reading { name: self.link.name.clone(), index: self.link.index, up, down }])
    }

    fn links(&mut self) -> io::Result<Vec<Link>> {
        Ok(vec![self.link.clone()])
    }

    fn load(&mut self) -> Load {
        self.load
    }
}
