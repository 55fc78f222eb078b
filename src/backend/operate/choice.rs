//! Which number stands between two people? The choice of one from a service's pool.
//!
//! **Invariant:** an identifier never has one number in two open sessions of a service: a call
//! or message from it to the number must lead to one session.

use crate::backend::error::Code;
use crate::backend::error::Problem;
use crate::backend::numbering;
use crate::backend::state::number::Number;
use crate::backend::state::service::Service;
use crate::backend::state::session::Session;
use crate::backend::words::GeoMatch;
use crate::backend::words::Selection;
use crate::sid::Sid;

/// Chooses an unreserved phone number for an identifier that comes into a session.
///
/// The nearest comes first, as the service's `GeoMatchLevel` says; then the one that the
/// identifier had last, or the one that it had never or longest ago, as its
/// `NumberSelectionBehavior` says; then the one that the other participant has; then the least
/// used; then the oldest.
pub(super) fn choose(
    service: &Service,
    session: &Session,
    identifier: &str,
) -> Result<Sid, Problem> {
    if service.numbers().next().is_none() {
        return Err(Code::NoProxies.into());
    }
    let mut unreserved =
        service.phone_numbers.iter().filter(|number| !number.reserved).peekable();
    if unreserved.peek().is_none() {
        return Err(Code::NoUnreservedNumbers.into());
    }
    let person = service.person(identifier);
    let rank = |number: &&Number| {
        let tally = person.and_then(|person| person.get(&number.sid));
        let last = tally.map_or(0, |tally| tally.last);
        let preference = match service.settings.selection {
            Selection::PreferSticky => u64::MAX.saturating_sub(last),
            Selection::AvoidSticky => last,
        };
        let partners = session.active().any(|other| other.proxy == number.sid);
        (distance(service, number, identifier), preference, !partners, number.in_use)
    };
    unreserved
        .filter(|number| {
            let tally = person.and_then(|person| person.get(&number.sid));
            tally.is_none_or(|tally| tally.open == 0) && number.text != identifier
        })
        .min_by_key(rank)
        .map(|number| number.sid)
        .ok_or_else(|| Code::NoAvailableProxy.into())
}

/// How far a number is from an identifier, as far as the service minds.
fn distance(service: &Service, number: &Number, identifier: &str) -> u8 {
    let distance = numbering::distance(&number.text, identifier);
    match service.settings.geo_match {
        // Within a country every number is as good as another.
        GeoMatch::Country => distance.max(1),
        GeoMatch::AreaCode
        | GeoMatch::ExtendedAreaCode
        | GeoMatch::Overlay
        | GeoMatch::Radius => distance,
    }
}
