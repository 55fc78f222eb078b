//! Which limits are in force? The section `limits`, but for its rates and pools.

use std::num::NonZeroU32;

use crate::config::compile::field;
use crate::config::compile::overrides;
use crate::config::compile::overrides::General;
use crate::config::compile::pools;
use crate::config::compile::range;
use crate::config::compile::range::Count;
use crate::config::compile::rate;
use crate::config::notes::At;
use crate::config::notes::Notes;
use crate::config::notes::Places;
use crate::config::path::KeyPath;
use crate::config::raw::RawInFlight;
use crate::config::raw::RawLimits;
use crate::config::raw::RawParticipantsPerNumber;
use crate::config::raw::RawPayload;
use crate::config::shape::Whole;
use crate::config::shape::WholeOrOff;
use crate::config::word::Size;
use crate::config::word::Word;
use crate::policy::limit::BodyLimit;
use crate::policy::limit::InFlightLimit;
use crate::policy::limit::Limits;
use crate::policy::limit::OversizeStatus;
use crate::policy::pools::PoolLimits;

const MAX_KEYS: Count<'_> =
    Count { what: "a number of keys", from: 1, to: 100_000_000, otherwise: "for 1000000" };
const IN_FLIGHT: Count<'_> = Count {
    what: "a number of requests under way",
    from: 1,
    to: 1_000_000,
    otherwise: "for 1024",
};
const IN_FLIGHT_PER_SERVICE: Count<'_> = Count { otherwise: "for no such limit", ..IN_FLIGHT };
const ADVISE: Count<'_> = Count {
    what: "a number of participants",
    from: 1,
    to: 1_000_000,
    otherwise: "for 100; `null` turns it off",
};
const MIN_BODY: u64 = 1024;
const MAX_BODY: u64 = 16 * 1024 * 1024;
const MIN_BODY_MEMORY: u64 = 1024 * 1024;
const MAX_BODY_MEMORY: u64 = 16 * 1024 * 1024 * 1024;

/// Compiles the section `limits`.
pub(super) fn limits(raw: &RawLimits, places: &Places<'_>, notes: &mut Notes) -> Limits {
    let default = Limits::default();
    let max_keys = MAX_KEYS.take(raw.max_keys, &KeyPath::of("limits.max_keys"), notes);
    let fields = field::fields(&raw.payload.fields, notes);
    let body = body(&raw.payload, notes);
    let body_memory = body_memory(raw.body_memory, body, notes);
    let in_flight = in_flight(&raw.in_flight, notes);
    let participants_per_number = participants_per_number(&raw.participants_per_number, notes);
    let rate = rate::general(raw, places, notes);
    let pools = pools::general(raw, places, notes);
    let general = General { rate: &rate, pools: &pools.rule };
    let (overrides, of_pools) = overrides::overrides(raw, &general, places, notes);
    Limits {
        rate,
        overrides,
        pools: PoolLimits { overrides: of_pools, ..pools },
        fields,
        body,
        body_memory: body_memory.unwrap_or(default.body_memory),
        in_flight,
        participants_per_number,
        max_keys: max_keys.map_or(default.max_keys, range::size),
        unmatched: raw.unmatched.map_or(default.unmatched, |Word(unmatched)| unmatched),
        headers: raw.headers.map_or(default.headers, |Word(headers)| headers),
    }
}

fn body(raw: &RawPayload, notes: &mut Notes) -> BodyLimit {
    let mut limit = BodyLimit::default();
    if let Some(Word(Size(bytes))) = raw.body {
        match usize::try_from(bytes) {
            Ok(max_bytes) if (MIN_BODY..=MAX_BODY).contains(&bytes) => {
                limit.max_bytes = max_bytes;
            }
            Ok(_) | Err(_) => {
                let size = if bytes < MIN_BODY { "small" } else { "large" };
                let message = format!("{bytes} bytes are too {size} for a form");
                let help = "write 1KiB to 16MiB, or leave the line out for 256KiB";
                notes.complain(At::Value(KeyPath::of("limits.payload.body")), message, help);
            }
        }
    }
    match raw.oversize_status {
        None | Some(Whole(400)) => {}
        Some(Whole(413)) => limit.oversize_status = OversizeStatus::ContentTooLarge,
        Some(Whole(found)) => {
            let path = KeyPath::of("limits.payload.oversize_status");
            let message = format!("{found} is not a status for a form that is too large");
            notes.complain(At::Value(path), message, "write 400 or 413");
        }
    }
    limit
}

fn body_memory(found: Option<Word<Size>>, body: BodyLimit, notes: &mut Notes) -> Option<usize> {
    let Word(Size(bytes)) = found?;
    let at = At::Value(KeyPath::of("limits.body_memory"));
    let held = usize::try_from(bytes).ok();
    let held = held.filter(|_| (MIN_BODY_MEMORY..=MAX_BODY_MEMORY).contains(&bytes));
    match held {
        Some(held) if held < body.max_bytes => {
            let message = format!("{bytes} bytes are too small for one body");
            let help = "write as much as `limits.payload.body` at least";
            notes.complain(at, message, help);
        }
        Some(_) => {}
        None => {
            let size = if bytes < MIN_BODY_MEMORY { "small" } else { "large" };
            let message = format!("{bytes} bytes are too {size} for all bodies");
            let help = "write 1MiB to 16384MiB, or leave the line out for 64MiB";
            notes.complain(at, message, help);
        }
    }
    held
}

fn in_flight(raw: &RawInFlight, notes: &mut Notes) -> InFlightLimit {
    let section = KeyPath::of("limits.in_flight");
    let total: Option<NonZeroU32> = IN_FLIGHT.take(raw.total, &section.key("total"), notes);
    let per_service =
        IN_FLIGHT_PER_SERVICE.take(raw.per_service, &section.key("per_service"), notes);
    let default = InFlightLimit::default();
    InFlightLimit { total: total.unwrap_or(default.total), per_service }
}

fn participants_per_number(
    raw: &RawParticipantsPerNumber,
    notes: &mut Notes,
) -> Option<NonZeroU32> {
    let path = KeyPath::of("limits.participants_per_number.advise");
    match raw.advise {
        WholeOrOff::LeftOut => Limits::default().participants_per_number,
        WholeOrOff::Off => None,
        WholeOrOff::On(found) => ADVISE.take(Some(found), &path, notes),
    }
}
