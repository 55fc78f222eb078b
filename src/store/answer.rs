//! What does the store say? Its answers, as values.
//!
//! **Invariant:** an answer of another form than the library's is no answer: it is a fault, and is
//! never read as an admission.

use std::time::Duration;

use redis::Value;

use crate::store::fault::Fault;
use crate::store::trust::Epoch;
use crate::store::trust::Heard;
use crate::time::Tick;

/// How full a shared window is, as long after the answer as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Charges in the window.
    pub taken: u32,
    /// When (by this process's clock) there is more room than now.
    pub resets_at: Tick,
    /// Charges in the last second; 0 where the limit has no burst of its own.
    pub burst_taken: u32,
    /// When there is more room in the last second.
    pub burst_resets_at: Tick,
}

/// Which of a limit's two numbers stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreBound {
    /// So many in a window.
    Window,
    /// So many in a second.
    Burst,
}

/// What the store says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is admitted, and charged with this time of the store's.
    Admitted {
        /// µs of the store's clock.
        charged_at: u64,
        /// How full the window is now.
        count: Count,
    },
    /// There is no slot.
    Denied {
        /// When the next one is free.
        retry_after: Duration,
        /// What stands in the way for so long.
        bound: StoreBound,
        /// How full the window is.
        count: Count,
    },
    /// The epoch is another one: nothing was judged, nothing charged.
    OtherEpoch,
}

/// The numbers of an answer, one after the other.
pub(super) struct Numbers(std::vec::IntoIter<Value>);

impl Numbers {
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        let Value::Array(values) = value else { return Err(Fault::Nonsense) };
        Ok(Self(values.into_iter()))
    }

    pub(super) fn next(&mut self) -> Result<u64, Fault> {
        let Some(Value::Int(number)) = self.0.next() else { return Err(Fault::Nonsense) };
        u64::try_from(number).map_err(|_| Fault::Nonsense)
    }

    pub(super) fn small(&mut self) -> Result<u32, Fault> {
        self.next().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    pub(super) fn span(&mut self) -> Result<Duration, Fault> {
        self.next().map(Duration::from_micros)
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        let text = self.0.next().and_then(|value| redis::from_redis_value(value).ok());
        text.ok_or(Fault::Nonsense)
    }

    /// Every answer begins with the epoch and the time.
    pub(super) fn heard(&mut self, at: Tick) -> Result<Heard, Fault> {
        Ok(Heard { epoch: Epoch(self.next()?), server: self.next()?, at })
    }
}

/// The answer to a call of `admit` for one window that was sent at `sent` and has come `now`.
pub(super) fn admit(value: Value, sent: Tick, now: Tick) -> Result<(Heard, Said), Fault> {
    let mut numbers = Numbers::of(value)?;
    let heard = numbers.heard(now)?;
    let verdict = numbers.next()?;
    let (_, retry_after, bound) = (numbers.next()?, numbers.span()?, numbers.next()?);
    if verdict == 2 {
        return Ok((heard, Said::OtherEpoch));
    }
    let (taken, charged_at) = (numbers.small()?, numbers.next()?);
    let resets_at = sent.plus(numbers.span()?);
    let (burst_taken, burst_resets_at) = (numbers.small()?, sent.plus(numbers.span()?));
    let count = Count { taken, resets_at, burst_taken, burst_resets_at };
    let said = match (verdict, bound) {
        (1, _) => Said::Admitted { charged_at, count },
        (0, 1) => Said::Denied { retry_after, bound: StoreBound::Window, count },
        (0, 2) => Said::Denied { retry_after, bound: StoreBound::Burst, count },
        _ => return Err(Fault::Nonsense),
    };
    Ok((heard, said))
}

/// The answer to a call of `push` or `give_back` that has come `now`.
pub(super) fn heard(value: Value, now: Tick) -> Result<Heard, Fault> {
    Numbers::of(value)?.heard(now)
}

/// The answer to a call of `place` that has come `now`: the place from 0, where there is one.
pub(super) fn place(value: Value, now: Tick) -> Result<(Heard, Option<u32>), Fault> {
    let mut numbers = Numbers::of(value)?;
    let heard = numbers.heard(now)?;
    Ok((heard, numbers.small()?.checked_sub(1)))
}

/// The answer to a call of `epoch` that has come `now`: epoch, run id, time.
pub(super) fn epoch(value: Value, now: Tick) -> Result<Heard, Fault> {
    let mut numbers = Numbers::of(value)?;
    let epoch = Epoch(numbers.next()?);
    drop(numbers.0.next());
    Ok(Heard { epoch, server: numbers.next()?, at: now })
}

#[cfg(test)]
mod tests {
    use super::Count;
    use super::Said;
    use super::StoreBound;
    use super::admit;
    use super::epoch;
    use super::place;
    use crate::store::fault::Fault;
    use crate::store::trust::Epoch;
    use crate::store::trust::Heard;
    use crate::time::Tick;
    use redis::Value;
    use std::time::Duration;

    const SENT: Tick = Tick::from_micros(10);
    const NOW: Tick = Tick::from_micros(12);

    fn array(numbers: &[i64]) -> Value {
        Value::Array(numbers.iter().map(|&number| Value::Int(number)).collect())
    }

    #[test]
    fn an_admission_tells_its_time_and_how_full_the_window_is() {
        let answer = array(&[7, 9, 1, 0, 0, 0, 3, 8, 500, 0, 0]);
        let count = Count {
            taken: 3,
            resets_at: Tick::from_micros(510),
            burst_taken: 0,
            burst_resets_at: SENT,
        };
        let heard = Heard { epoch: Epoch(7), server: 9, at: NOW };
        assert_eq!(
            admit(answer, SENT, NOW),
            Ok((heard, Said::Admitted { charged_at: 8, count }))
        );
    }

    #[test]
    fn a_refusal_tells_when_to_come_again_and_why() {
        let answer = array(&[7, 9, 0, 1, 400, 2, 3, 0, 500, 2, 400]);
        let Ok((_, Said::Denied { retry_after, bound, count })) = admit(answer, SENT, NOW)
        else {
            panic!("no refusal");
        };
        assert_eq!((retry_after, bound), (Duration::from_micros(400), StoreBound::Burst));
        assert_eq!(count.burst_resets_at, Tick::from_micros(410));
    }

    #[test]
    fn another_epoch_ends_the_answer() {
        let answer = admit(array(&[8, 9, 2, 0, 0, 0]), SENT, NOW).unwrap();
        assert_eq!(answer, (Heard { epoch: Epoch(8), server: 9, at: NOW }, Said::OtherEpoch));
    }

    #[test]
    fn a_place_is_counted_from_1_and_0_is_none() {
        let place_of = |number| place(array(&[7, 9, number]), NOW).unwrap().1;
        assert_eq!([place_of(0), place_of(1), place_of(3)], [None, Some(0), Some(2)]);
    }

    #[test]
    fn what_has_another_form_is_no_answer() {
        for value in [
            Value::Nil,
            Value::Okay,
            array(&[]),
            array(&[1, 2, 1]),
            array(&[1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]),
            array(&[1, -2, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            array(&[1, 2, 0, 1, 5, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(admit(value, SENT, NOW), Err(Fault::Nonsense));
        }
    }

    #[test]
    fn an_epoch_has_the_servers_run_id_in_the_middle() {
        let run_id = Value::BulkString(b"0123".to_vec());
        let value = Value::Array(vec![Value::Int(3), run_id, Value::Int(5)]);
        assert_eq!(epoch(value, NOW), Ok(Heard { epoch: Epoch(3), server: 5, at: NOW }));
    }
}
