//! What do the connections of one thread share? Places to read into and to write in, so that one that
//! waits holds none, and that none is made anew for each request; and the date.

use std::cell::RefCell;
use std::fmt;
use std::mem;

use http::HeaderMap;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::time;

/// The most bytes that are read at a time.
const READ: usize = 16 * 1024;
/// A larger buffer is not kept, nor a map with room for more fields.
const MOST_KEPT: usize = 64 * 1024;
const MOST_FIELDS: usize = 64;

/// See the module.
pub struct Workbench {
    pub(super) scratch: RefCell<Box<[u8]>>,
    /// For the text of the next answer.
    text: RefCell<Vec<u8>>,
    /// For the fields of the next request: those of the last answer were in it.
    fields: RefCell<HeaderMap>,
    date: RefCell<Date>,
}

/// The value of `Date`, and the second since 1970 that it names.
struct Date {
    second: u64,
    value: HeaderValue,
}

impl Workbench {
    /// One that nobody has used.
    pub fn new() -> Self {
        let date = Date { second: 0, value: value(0) };
        let scratch = RefCell::new(vec![0; READ].into());
        let (text, fields) = (RefCell::default(), RefCell::default());
        Self { scratch, text, fields, date: RefCell::new(date) }
    }

    /// An empty buffer, to be given back when it is empty again.
    pub(super) fn lend(&self) -> Vec<u8> {
        mem::take(&mut *self.text.borrow_mut())
    }

    pub(super) fn take_back(&self, text: Vec<u8>) {
        if text.is_empty() && text.capacity() <= MOST_KEPT {
            *self.text.borrow_mut() = text;
        }
    }

    /// An empty map. It need not be given back: there are as many answers as requests.
    pub(super) fn lend_map(&self) -> HeaderMap {
        mem::take(&mut *self.fields.borrow_mut())
    }

    pub(super) fn keep_map(&self, mut fields: HeaderMap) {
        if fields.capacity() <= MOST_FIELDS {
            fields.clear();
            *self.fields.borrow_mut() = fields;
        }
    }

    /// The present, as the field `Date` has it (RFC 9110 §6.6.1).
    pub(super) fn date(&self) -> HeaderValue {
        let second = time::wall_clock().as_secs();
        let mut date = self.date.borrow_mut();
        if date.second != second {
            *date = Date { second, value: value(second) };
        }
        date.value.clone()
    }
}

impl Default for Workbench {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Workbench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was read may be a secret.
        f.debug_struct("Workbench").finish_non_exhaustive()
    }
}

fn value(second: u64) -> HeaderValue {
    let moment = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&moment.unwrap_or_default());
    // A date of more than four digits a year has no form; nobody reads it.
    let value = text.ok().and_then(|text| HeaderValue::try_from(text).ok());
    value.unwrap_or_else(|| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_date_has_the_form_of_http() {
        assert_eq!(value(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(value(u64::MAX), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
