//! Which answers are read, and how much of them is held? The pieces of a body, kept as they pass
//! until the last is there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use crate::budget::ByteBudget;
use crate::budget::Charge;
use crate::budget::NoRoom;
use crate::media;

/// The most of one answer that is held, in bytes. A page of 100 numbers has about 60,000.
pub const MOST_READ: usize = 256 * 1024;
/// The most of all answers together that is held, in bytes.
const MOST_HELD: usize = 16 * 1024 * 1024;

/// From so many bytes on a piece is kept as it came, smaller ones are put together: each handle
/// has its own cost.
const KEPT_WHOLE: usize = 1024;

/// Why an answer tells nothing: a closed list for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is not JSON.
    NotJson,
    /// It is compressed.
    Encoded,
    /// It is larger than [`MOST_READ`].
    TooLarge,
    /// Too much of other answers is held already.
    NoRoom,
    /// It ended early, or the client did not wait for it.
    Incomplete,
    /// It is not what it should be.
    Unexpected,
}

impl Unread {
    /// Every reason, in the order of [`index`](Self::index).
    pub const ALL: [Self; 6] = [
        Self::NotJson,
        Self::Encoded,
        Self::TooLarge,
        Self::NoRoom,
        Self::Incomplete,
        Self::Unexpected,
    ];

    /// A small number for arrays with one place for each reason.
    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless enum")]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason's word in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Encoded => "encoded",
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::Incomplete => "incomplete",
            Self::Unexpected => "unexpected",
        }
    }
}

/// Whether an answer with these fields can be read at all.
pub fn is_readable(headers: &HeaderMap) -> Result<(), Unread> {
    if !media::is_json(headers) {
        return Err(Unread::NotJson);
    }
    if !media::is_plain(headers) {
        return Err(Unread::Encoded);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse().ok());
    if length.is_some_and(|length: usize| length > MOST_READ) {
        return Err(Unread::TooLarge);
    }
    Ok(())
}

/// What is done with a body once it is there, or with the reason why it never will be.
type Then = Box<dyn FnOnce(Result<&[u8], Unread>)>;

/// An answer that is being read. Dropped before its end, it has told nothing.
pub struct Reading(Option<Begun>);

struct Begun {
    pieces: Vec<Bytes>,
    /// Small pieces that have come since.
    crumbs: BytesMut,
    length: usize,
    charge: Charge,
    then: Then,
}

impl Reading {
    /// The reading of an answer of which nothing is there yet; `then` is told how it ended,
    /// once. What is held is charged to `held`.
    pub fn begin(
        held: &Arc<ByteBudget>,
        then: impl FnOnce(Result<&[u8], Unread>) + 'static,
    ) -> Self {
        let (pieces, crumbs, charge) = (Vec::new(), BytesMut::new(), held.charge());
        Self(Some(Begun { pieces, crumbs, length: 0, charge, then: Box::new(then) }))
    }

    /// The next piece of the body has come, and goes on its way. Large ones are not
    /// copied.
    pub fn take(&mut self, piece: &Bytes) {
        let kept = self.0.as_mut().map(|begun| begun.keep(piece));
        if let Some(Err(why)) = kept {
            self.give_up(why);
        }
    }

    /// The last piece is there.
    pub fn end(mut self) {
        let Some(mut begun) = self.0.take() else { return };
        begun.sweep_up();
        let Begun { pieces, then, .. } = begun;
        match &pieces[..] {
            [whole] => then(Ok(whole)),
            pieces => then(Ok(&pieces.concat())),
        }
    }

    fn give_up(&mut self, why: Unread) {
        if let Some(begun) = self.0.take() {
            (begun.then)(Err(why));
        }
    }
}

impl Begun {
    fn keep(&mut self, piece: &Bytes) -> Result<(), Unread> {
        self.length = self.length.saturating_add(piece.len());
        if self.length > MOST_READ {
            return Err(Unread::TooLarge);
        }
        self.charge.grow(piece.len(), MOST_HELD).map_err(|NoRoom| Unread::NoRoom)?;
        // The first one is mostly the only one.
        if piece.len() < KEPT_WHOLE && !self.pieces.is_empty() {
            self.crumbs.extend_from_slice(piece);
        } else {
            self.sweep_up();
            self.pieces.push(piece.clone());
        }
        Ok(())
    }

    /// The small pieces so far become one.
    fn sweep_up(&mut self) {
        if !self.crumbs.is_empty() {
            self.pieces.push(self.crumbs.split().freeze());
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.give_up(Unread::Incomplete);
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.as_ref().map(|begun| begun.length);
        f.debug_struct("Reading").field("length", &length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::MOST_READ;
    use super::Reading;
    use super::Unread;
    use super::is_readable;
    use crate::budget::ByteBudget;
    use bytes::Bytes;
    use http::HeaderMap;
    use http::HeaderName;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;

    type Ending = Result<Vec<u8>, Unread>;

    /// A reading, and where what it comes to is written down.
    fn begin(held: &Arc<ByteBudget>) -> (Reading, Rc<RefCell<Vec<Ending>>>) {
        let endings = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&endings);
        let then =
            move |body: Result<&[u8], _>| told.borrow_mut().push(body.map(<[_]>::to_vec));
        (Reading::begin(held, then), endings)
    }

    #[test]
    fn pieces_are_put_together_at_the_end_and_given_back() {
        let held = Arc::new(ByteBudget::default());
        for pieces in [&["ab", "", "c"][..], &["abc"][..]] {
            let (mut reading, endings) = begin(&held);
            for piece in pieces {
                reading.take(&Bytes::from(*piece));
            }
            assert_eq!((held.held(), endings.borrow().len()), (3, 0));
            reading.end();
            assert_eq!(endings.take(), [Ok(b"abc".to_vec())]);
            assert_eq!(held.held(), 0);
        }
    }

    /// An upstream may send a chunk for each byte, and a handle is larger than that.
    #[test]
    fn small_pieces_take_no_more_memory_than_they_have_bytes() {
        let (mut reading, endings) = begin(&Arc::default());
        let sent: Vec<u8> = (0..100_000_u32).map(|each| each.to_le_bytes()[0]).collect();
        for piece in sent.chunks(1).chain([&[7; 5_000][..], &[8; 3][..]]) {
            reading.take(&Bytes::copy_from_slice(piece));
        }
        assert!(reading.0.as_ref().unwrap().pieces.len() < 4);
        reading.end();
        assert_eq!(endings.take(), [Ok([&sent[..], &[7; 5_000], &[8; 3]].concat())]);
    }

    #[test]
    fn an_answer_above_the_bound_is_let_go_at_once_and_told_once() {
        let held = Arc::new(ByteBudget::default());
        let (mut reading, endings) = begin(&held);
        reading.take(&Bytes::from(vec![0; MOST_READ]));
        assert!(endings.borrow().is_empty());
        reading.take(&Bytes::from_static(b"x"));
        reading.take(&Bytes::from_static(b"y"));
        assert_eq!((endings.take(), held.held()), (vec![Err(Unread::TooLarge)], 0));
        reading.end();
        assert_eq!(endings.take(), []);
    }

    #[test]
    fn all_answers_together_are_bounded_too() {
        let held = Arc::new(ByteBudget::default());
        let mut readings: Vec<_> = (0..64).map(|_| begin(&held)).collect();
        for (reading, _) in &mut readings {
            reading.take(&Bytes::from(vec![0; MOST_READ]));
        }
        let (mut another, endings) = begin(&held);
        another.take(&Bytes::from_static(b"x"));
        assert_eq!(endings.take(), [Err(Unread::NoRoom)]);
        drop(readings);
        assert_eq!(held.held(), 0);
    }

    #[test]
    fn who_drops_it_before_its_end_hears_that_it_is_incomplete() {
        let (mut reading, endings) = begin(&Arc::default());
        reading.take(&Bytes::from_static(b"{"));
        drop(reading);
        assert_eq!(endings.take(), [Err(Unread::Incomplete)]);
    }

    #[test]
    fn only_plain_json_of_a_modest_size_is_read() {
        let of = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            }
            is_readable(&headers)
        };
        let json = ("content-type", "application/json;charset=utf-8");
        assert_eq!(of(&[json]), Ok(()));
        assert_eq!(of(&[json, ("content-encoding", "Identity")]), Ok(()));
        assert_eq!(of(&[json, ("content-length", "262144")]), Ok(()));
        assert_eq!(of(&[json, ("content-length", "262145")]), Err(Unread::TooLarge));
        assert_eq!(of(&[json, ("content-encoding", "gzip")]), Err(Unread::Encoded));
        assert_eq!(of(&[("content-type", "application/jsonp")]), Err(Unread::NotJson));
        assert_eq!(of(&[]), Err(Unread::NotJson));
    }
}
