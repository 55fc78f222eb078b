//! What does the store say of pools? Its answers, as values.

use std::time::Duration;

use redis::Value;

use crate::policy::pools::ByKind;
use crate::policy::pools::PoolKind;
use crate::sid::Sid;
use crate::store::answer::Numbers;
use crate::store::fault::Fault;
use crate::store::trust::Heard;
use crate::time::Tick;

/// How a service's pools stand, as every answer tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStanding {
    /// How many numbers there are in each; those of changes under way left out.
    pub numbers: ByKind<u32>,
    /// When they were counted (µs of the store's clock); 0 where they are not known.
    pub counted_at: u64,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// Whether they are to be counted in the background.
    pub is_due: bool,
}

/// What the store says to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomSaid {
    /// There is room, and it is held. With a rule on trial: the pool that has none, and how many
    /// are used of it.
    Held(Option<(PoolKind, u32)>),
    /// This pool is full for certain, with so many.
    Full(PoolKind, u32),
    /// Strangers hold the last places.
    Contested,
    /// The numbers have to be counted before.
    Uncounted,
}

/// Whose turn it is to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The caller's.
    Yours,
    /// Another's, for so long at the most.
    Theirs(Duration),
    /// Nobody's for so long: it has just been counted.
    TooSoon(Duration),
}

/// What every answer begins with.
fn standing(numbers: &mut Numbers, heard: &Heard) -> Result<PoolStanding, Fault> {
    let counts = ByKind { reserved: numbers.small()?, unreserved: numbers.small()? };
    let (counted_at, is_due) = (numbers.next()?, numbers.next()? == 1);
    let age = (counted_at > 0)
        .then(|| Duration::from_micros(heard.server.saturating_sub(counted_at)));
    Ok(PoolStanding { numbers: counts, counted_at, age, is_due })
}

fn pool(numbers: &mut Numbers) -> Result<Option<PoolKind>, Fault> {
    match numbers.text()?.as_str() {
        "r" => Ok(Some(PoolKind::Reserved)),
        "u" => Ok(Some(PoolKind::Unreserved)),
        "" => Ok(None),
        _ => Err(Fault::Nonsense),
    }
}

/// What a claim is told, and the account that the service was counted for.
type Claimed = (PoolStanding, RoomSaid, Option<Sid>);

/// The answer to a claim.
pub(in crate::store) fn claim(value: Value, now: Tick) -> Result<(Heard, Claimed), Fault> {
    let mut numbers = Numbers::of(value)?;
    let heard = numbers.heard(now)?;
    let standing = standing(&mut numbers, &heard)?;
    let (outcome, full, used) = (numbers.next()?, pool(&mut numbers)?, numbers.small()?);
    let said = match (outcome, full) {
        (0, full) => RoomSaid::Held(full.map(|kind| (kind, used))),
        (1, Some(kind)) => RoomSaid::Full(kind, used),
        (2, _) => RoomSaid::Contested,
        (3, _) => RoomSaid::Uncounted,
        _ => return Err(Fault::Nonsense),
    };
    let account = numbers.text()?;
    Ok((heard, (standing, said, Sid::parse(&account))))
}

/// The answer to the question whose turn it is.
pub(in crate::store) fn turn(
    value: Value,
    now: Tick,
) -> Result<(Heard, (PoolStanding, Turn)), Fault> {
    let mut numbers = Numbers::of(value)?;
    let heard = numbers.heard(now)?;
    let standing = standing(&mut numbers, &heard)?;
    let turn = match (numbers.next()?, numbers.span()?) {
        (0, _) => Turn::Yours,
        (1, left) => Turn::Theirs(left),
        (2, left) => Turn::TooSoon(left),
        _ => return Err(Fault::Nonsense),
    };
    Ok((heard, (standing, turn)))
}

/// The answer to a page or the end of a count: also whether the count was still under way.
pub(in crate::store) fn counted(
    value: Value,
    now: Tick,
) -> Result<(Heard, (PoolStanding, bool)), Fault> {
    let mut numbers = Numbers::of(value)?;
    let heard = numbers.heard(now)?;
    let standing = standing(&mut numbers, &heard)?;
    Ok((heard, (standing, numbers.next()? == 1)))
}

#[cfg(test)]
mod tests {
    use super::PoolStanding;
    use super::RoomSaid;
    use super::Turn;
    use super::claim;
    use super::counted;
    use super::turn;
    use crate::policy::pools::ByKind;
    use crate::policy::pools::PoolKind;
    use crate::sid::Sid;
    use crate::sid::SidKind;
    use crate::store::fault::Fault;
    use crate::time::Tick;
    use redis::Value;
    use std::time::Duration;

    const NOW: Tick = Tick::from_micros(12);

    fn array(numbers: &[i64], texts: &[(usize, &str)]) -> Value {
        let mut values: Vec<_> = numbers.iter().map(|&number| Value::Int(number)).collect();
        for (place, text) in texts {
            values.insert(*place, Value::BulkString(text.as_bytes().to_vec()));
        }
        Value::Array(values)
    }

    #[test]
    fn a_claim_tells_what_it_comes_to_and_whose_the_service_is() {
        let account = Sid::new(SidKind::Account, [1; 16]);
        let value = array(&[7, 90, 3, 4, 50, 1, 1, 5], &[(7, "u"), (9, &account.to_string())]);
        let (_, (standing, said, owner)) = claim(value, NOW).unwrap();
        let numbers = ByKind { reserved: 3, unreserved: 4 };
        let age = Some(Duration::from_micros(40));
        assert_eq!(standing, PoolStanding { numbers, counted_at: 50, age, is_due: true });
        assert_eq!(said, RoomSaid::Full(PoolKind::Unreserved, 5));
        assert_eq!(owner, Some(account));
        let value = array(&[7, 90, 3, 4, 0, 0, 3, 0], &[(7, ""), (9, "")]);
        let (_, (standing, said, owner)) = claim(value, NOW).unwrap();
        assert_eq!((standing.age, said, owner), (None, RoomSaid::Uncounted, None));
    }

    #[test]
    fn a_turn_tells_how_long_to_wait() {
        let said = |outcome| turn(array(&[7, 90, 0, 0, 0, 0, outcome, 6], &[]), NOW);
        let left = Duration::from_micros(6);
        assert_eq!(said(0).unwrap().1.1, Turn::Yours);
        assert_eq!(said(1).unwrap().1.1, Turn::Theirs(left));
        assert_eq!(said(2).unwrap().1.1, Turn::TooSoon(left));
    }

    #[test]
    fn what_has_another_form_is_no_answer() {
        let full_of_nothing = array(&[7, 90, 3, 4, 50, 1, 1, 5], &[(7, ""), (9, "")]);
        assert_eq!(claim(full_of_nothing, NOW), Err(Fault::Nonsense));
        let other_pool = array(&[7, 90, 3, 4, 50, 1, 0, 5], &[(7, "x"), (9, "")]);
        assert_eq!(claim(other_pool, NOW), Err(Fault::Nonsense));
        assert_eq!(turn(array(&[7, 90, 0, 0, 0, 0, 3, 6], &[]), NOW), Err(Fault::Nonsense));
        assert_eq!(counted(array(&[7, 90, 0, 0, 0, 0], &[]), NOW), Err(Fault::Nonsense));
    }
}
