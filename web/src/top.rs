//! The five busiest services with their colours: who is among them, in what
//! order, and for how long a silent one keeps its place.

use komandorr_wire::ServiceId;

/// How many cards there are.
pub(crate) const FIVE: usize = 5;
/// For how long a service that fell silent keeps its card, seconds.
const GRACE: i64 = 60;
/// A challenger must be this much busier than the last of the five, so that
/// two equal services do not swap places with every sample.
const CHALLENGE: f64 = 1.05;
/// Two neighbours swap when the right one is this much busier: cards move
/// rarely, and still stand in order.
const OVERTAKE: f64 = 1.25;

/// A service that may get a card.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contender {
    pub(crate) id: ServiceId,
    /// Both directions, bytes per second.
    pub(crate) speed: u64,
    /// Seconds since it fell silent; `None`: it reports.
    pub(crate) silent_for: Option<i64>,
}

/// A card.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) id: ServiceId,
    /// 1 to 5.
    pub(crate) colour: u8,
    /// Its speed when it last reported, for the order.
    speed: u64,
}

/// Remembers the five between one moment and the next.
#[derive(Debug, Default)]
pub(crate) struct TopFive {
    places: Vec<Place>,
}

#[allow(clippy::cast_precision_loss, reason = "speeds are compared roughly")]
fn weight(speed: u64) -> f64 {
    speed as f64
}

impl TopFive {
    /// Takes up the present speeds and answers the cards in their order.
    pub(crate) fn update(&mut self, contenders: &[Contender]) -> &[Place] {
        let chosen = self.choose(contenders);
        let first_time = self.places.is_empty();
        self.places.retain(|place| chosen.iter().any(|c| c.id == place.id));
        for place in &mut self.places {
            let fresh = chosen.iter().find(|c| c.id == place.id);
            if let Some(contender) = fresh {
                place.speed = contender.order(place.speed);
            }
        }
        for contender in chosen {
            if !self.places.iter().any(|place| place.id == contender.id) {
                let colour = self.free_colour();
                let speed = contender.speed;
                self.places.push(Place { id: contender.id.clone(), colour, speed });
            }
        }
        self.sort(if first_time { 1.0 } else { OVERTAKE });
        &self.places
    }

    /// Who gets a card, the busiest first.
    fn choose<'a>(&self, contenders: &'a [Contender]) -> Vec<&'a Contender> {
        let incumbent = |c: &Contender| self.places.iter().any(|place| place.id == c.id);
        let kept = |c: &Contender| incumbent(c) && c.silent_for.is_some_and(|s| s < GRACE);
        let (mut chosen, mut others): (Vec<_>, Vec<_>) = contenders.iter().partition(|c| kept(c));
        let score = |c: &Contender| match c.silent_for {
            // Behind every service that reports; the latest to fall silent first.
            Some(silent) => -1.0 - weight(silent.unsigned_abs()),
            None if incumbent(c) => weight(c.speed) * CHALLENGE,
            None => weight(c.speed),
        };
        others.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| a.id.cmp(&b.id)));
        others.truncate(FIVE.saturating_sub(chosen.len()));
        chosen.extend(others);
        chosen.sort_by(|a, b| b.speed.cmp(&a.speed).then_with(|| a.id.cmp(&b.id)));
        chosen
    }

    fn free_colour(&self) -> u8 {
        (1..=5).find(|colour| self.places.iter().all(|p| p.colour != *colour)).unwrap_or(5)
    }

    /// Lets the busier overtake their left neighbours; five passes sort five.
    fn sort(&mut self, factor: f64) {
        for _ in 0..FIVE {
            for i in 1..self.places.len() {
                let overtakes = match self.places.get(i - 1..=i) {
                    Some([left, right]) => weight(right.speed) > weight(left.speed) * factor,
                    _ => false,
                };
                if overtakes {
                    self.places.swap(i - 1, i);
                }
            }
        }
    }
}

impl Contender {
    /// The speed that counts for the order: a service that just fell silent
    /// keeps its place, one that stays silent moves to the end.
    fn order(&self, before: u64) -> u64 {
        match self.silent_for {
            None => self.speed,
            Some(silent) if silent < GRACE => before,
            Some(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contender(id: &str, speed: u64) -> Contender {
        Contender { id: ServiceId::new(id).unwrap(), speed, silent_for: None }
    }

    fn silent(id: &str, seconds: i64) -> Contender {
        Contender { silent_for: Some(seconds), ..contender(id, 0) }
    }

    fn cards(top: &mut TopFive, contenders: &[Contender]) -> Vec<(String, u8)> {
        top.update(contenders).iter().map(|p| (p.id.to_string(), p.colour)).collect()
    }

    fn fleet(speeds: &[(&str, u64)]) -> Vec<Contender> {
        speeds.iter().map(|(id, speed)| contender(id, *speed)).collect()
    }

    fn pairs(expected: &[(&str, u8)]) -> Vec<(String, u8)> {
        expected.iter().map(|(id, colour)| ((*id).to_owned(), *colour)).collect()
    }

    #[test]
    fn the_five_busiest_get_the_five_colours_in_order() {
        let mut top = TopFive::default();
        let six = fleet(&[("a", 1), ("b", 60), ("c", 50), ("d", 40), ("e", 30), ("f", 20)]);
        let expected = pairs(&[("b", 1), ("c", 2), ("d", 3), ("e", 4), ("f", 5)]);
        assert_eq!(cards(&mut top, &six), expected);
    }

    #[test]
    fn a_service_keeps_its_colour_while_it_stays_among_the_five() {
        let mut top = TopFive::default();
        cards(&mut top, &fleet(&[("a", 60), ("b", 50), ("c", 40)]));
        let swapped = fleet(&[("a", 10), ("b", 50), ("c", 400)]);
        assert_eq!(cards(&mut top, &swapped), pairs(&[("c", 3), ("b", 2), ("a", 1)]));
    }

    #[test]
    fn a_newcomer_takes_the_colour_that_became_free() {
        let mut top = TopFive::default();
        let before = [("a", 60), ("b", 50), ("c", 40), ("d", 30), ("e", 20)];
        cards(&mut top, &fleet(&before));
        let after = [("a", 60), ("b", 1), ("c", 40), ("d", 30), ("e", 20), ("f", 45)];
        let expected = pairs(&[("a", 1), ("c", 3), ("f", 2), ("d", 4), ("e", 5)]);
        assert_eq!(cards(&mut top, &fleet(&after)), expected);
    }

    #[test]
    fn nearly_equal_services_do_not_take_turns() {
        let mut top = TopFive::default();
        let mut six = fleet(&[("a", 600), ("b", 500), ("c", 400), ("d", 300), ("e", 200)]);
        six.push(contender("f", 199));
        let before = cards(&mut top, &six);
        six[5] = contender("f", 205);
        assert_eq!(cards(&mut top, &six), before);
        six[5] = contender("f", 211);
        assert!(cards(&mut top, &six).iter().any(|(id, _)| id == "f"));
    }

    #[test]
    fn a_service_that_falls_silent_keeps_its_card_for_a_minute() {
        let mut top = TopFive::default();
        let five = [("a", 60), ("b", 50), ("c", 40), ("d", 30), ("e", 20)];
        let before = cards(&mut top, &fleet(&five));
        let mut six = fleet(&five);
        six.push(contender("f", 15));
        six[1] = silent("b", 59);
        assert_eq!(cards(&mut top, &six), before);
        six[1] = silent("b", 60);
        let after = cards(&mut top, &six);
        assert!(after.contains(&("f".to_owned(), 2)), "{after:?}");
    }

    #[test]
    fn a_silent_service_stays_where_nobody_wants_its_place() {
        let mut top = TopFive::default();
        cards(&mut top, &fleet(&[("a", 60), ("b", 50)]));
        let later = [silent("a", 4000), contender("b", 50)];
        assert_eq!(cards(&mut top, &later), pairs(&[("b", 2), ("a", 1)]));
    }

    proptest! {
        #[test]
        fn there_are_never_two_cards_of_one_service_or_colour(
            steps in prop::collection::vec(prop::collection::vec((0u64..1000, 0i64..120), 0..12), 1..20),
        ) {
            let mut top = TopFive::default();
            for step in steps {
                let contenders: Vec<_> = step.iter().enumerate().map(|(i, (speed, silent))| Contender {
                    silent_for: (*silent > 60).then_some(silent - 60),
                    ..contender(&format!("s{i}"), *speed)
                }).collect();
                let places = top.update(&contenders).to_vec();
                prop_assert_eq!(places.len(), contenders.len().min(FIVE));
                let mut ids: Vec<_> = places.iter().map(|p| p.id.clone()).collect();
                let mut colours: Vec<_> = places.iter().map(|p| p.colour).collect();
                ids.sort(); ids.dedup(); colours.sort_unstable(); colours.dedup();
                prop_assert_eq!((ids.len(), colours.len()), (places.len(), places.len()));
            }
        }
    }
}
