//! Whose trace is a request part of? What `traceparent` says (W3C Trace Context, level 1).
//!
//! **Invariant:** only what is well-formed is a context, and it is written anew from its numbers:
//! no text of a client goes on by it.

use std::fmt;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

/// W3C Trace Context §3.2.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C Trace Context §3.3; it belongs to a `traceparent`, and goes where that does.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The bit of the flags that says that whoever calls has recorded its part.
const SAMPLED: u8 = 0x01;
/// The bit that says that the trace's number is random (level 2); it is passed on as it came.
const RANDOM: u8 = 0x02;
/// The version that is written.
const VERSION: u8 = 0x00;
/// The version that is none (§3.2.2.1).
const NO_VERSION: u128 = 0xff;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceContext {
    /// What the caller says; none where it says nothing, nothing well-formed, or two things.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(TRACEPARENT).iter();
        let field = fields.next()?;
        if fields.next().is_some() {
            return None;
        }
        Self::parse(field.to_str().ok()?)
    }

    /// Reads `version-trace-parent-flags` in lower-case hexadecimal. A later version may have more
    /// behind that (§3.2.4).
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hexadecimal(parts.next()?, 2)?;
        let trace = hexadecimal(parts.next()?, 32)?;
        let span = u64::try_from(hexadecimal(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hexadecimal(parts.next()?, 2)?).ok()?;
        let is_whole = version != u128::from(VERSION) || parts.next().is_none();
        let is_context = version != NO_VERSION && is_whole && trace != 0 && span != 0;
        is_context.then_some(Self { trace, span, flags: flags & (SAMPLED | RANDOM) })
    }

    /// The first place of a trace. Neither number is 0.
    pub const fn first(trace: u128, span: u64, is_sampled: bool) -> Self {
        Self { trace, span, flags: if is_sampled { SAMPLED } else { 0 } }
    }

    /// Another place of the same trace, which is not 0.
    #[must_use]
    pub const fn next(self, span: u64) -> Self {
        Self { span, ..self }
    }

    /// The number of the trace.
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The number of the place in it.
    pub const fn span(self) -> u64 {
        self.span
    }

    /// The flags that are passed on.
    pub const fn flags(self) -> u8 {
        self.flags
    }

    /// Whether whoever is at this place records what it does.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The field's value.
    pub fn value(self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(bytes::Bytes::from(self.to_string())).ok()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(f, "{VERSION:02x}-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

/// So many digits, in lower case.
fn hexadecimal(digits: &str, count: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == count && digits.bytes().all(is_digit))
        .then(|| u128::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::TRACEPARENT;
    use super::TraceContext;
    use http::HeaderMap;
    use http::HeaderValue;
    use proptest::prelude::any;
    use proptest::proptest;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn read(text: &str) -> Option<String> {
        TraceContext::parse(text).map(|context| context.to_string())
    }

    #[test]
    fn a_well_formed_context_is_written_as_it_came() {
        for flags in ["00", "01", "02", "03"] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            assert_eq!(read(&text), Some(text.clone()));
        }
        let sampled = |flags| TraceContext::parse(&format!("00-{TRACE}-{SPAN}-{flags}"));
        assert!(sampled("01").unwrap().is_sampled() && sampled("ff").unwrap().is_sampled());
        assert!(!sampled("00").unwrap().is_sampled() && !sampled("fe").unwrap().is_sampled());
    }

    #[test]
    fn a_later_version_is_read_as_this_one_and_written_as_this_one() {
        let ours = Some(format!("00-{TRACE}-{SPAN}-01"));
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-09")), ours);
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01-what \"ever\"")), ours);
        assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01what")), None);
    }

    #[test]
    fn what_is_not_well_formed_is_no_context() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            "\"}-x".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-x"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let value = HeaderValue::from_str(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::of(&headers), None);
        headers.append(TRACEPARENT, value.clone());
        assert_eq!(TraceContext::of(&headers).unwrap().value(), Some(value.clone()));
        headers.append(TRACEPARENT, value);
        assert_eq!(TraceContext::of(&headers), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace in 1_u128.., span in 1_u64.., is_sampled in any::<bool>()) {
            let context = TraceContext::first(trace, span, is_sampled);
            assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            assert_eq!(context.is_sampled(), is_sampled);
        }
    }
}
