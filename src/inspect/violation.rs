//! Which rule did a request's body break? Names, numbers and closed lists.
//!
//! **Invariant:** nothing that the client sent is part of a violation: no value, no name, no
//! phone number. A field is named as its rule names it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::ingress::FramingFault;
use crate::policy::limit::OversizeStatus;

/// Why a body is not forwarded. Its text is a sentence or two for the person who sent it.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A field holds what its rule forbids.
    #[error("'{field}' is invalid. {breach}")]
    Field {
        /// Which field.
        field: FieldPath,
        /// What is wrong with it.
        breach: Breach,
    },
    /// The body, or the query, is above the limit.
    #[error("The {part} has {found} bytes; at most {max_bytes} are allowed.")]
    TooLarge {
        /// Which of the two.
        part: Part,
        /// The limit, in bytes.
        max_bytes: usize,
        /// What was found, in bytes.
        found: Found,
        /// The status that the policy has for it.
        status: OversizeStatus,
    },
    /// The body is in another format than the API's.
    #[error(transparent)]
    Format(#[from] FormatFault),
    /// Two parsers could disagree about where the body ends.
    #[error(transparent)]
    Framing(#[from] FramingFault),
    /// The method has no body in this API.
    #[error("A {0} request must not have a body.")]
    BodyNotAllowed(&'static str),
    /// A field of the head stands behind the body.
    #[error("A field behind the body belongs to the head of the request.")]
    Trailers,
    /// The form has two readings.
    #[error("Field number {pair} of the {part} is not a valid form field: {fault}.")]
    Form {
        /// Where the form stands.
        part: Part,
        /// Which of its `name=value` pairs, counted from 1; empty ones are not counted.
        pair: usize,
        /// What is wrong with it.
        fault: FormFault,
    },
    /// As much of all bodies is held as may be; this one may be right.
    #[error("The gateway holds {max_bytes} bytes of requests' bodies, as many as may be.")]
    NoRoom {
        /// The limit, in bytes.
        max_bytes: usize,
    },
    /// The body broke off, or its chunks are malformed.
    #[error("The body could not be read to its end.")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// The body was not there in time.
    #[error("The body did not arrive within {allowed:?}.")]
    TooSlow {
        /// How long it may take.
        allowed: Duration,
    },
    /// Nothing more of the body came.
    #[error("The body stalled for {allowed:?}.")]
    Stalled {
        /// How long it may be silent.
        allowed: Duration,
    },
}

impl Violation {
    /// The kind of limit that was broken, for metrics.
    pub const fn kind(&self) -> ViolationKind {
        match self {
            Self::Field { .. } => ViolationKind::Field,
            Self::TooLarge { .. } => ViolationKind::BodySize,
            Self::Format(_) => ViolationKind::ContentType,
            Self::Framing(_) | Self::BodyNotAllowed(_) | Self::Trailers => {
                ViolationKind::Framing
            }
            Self::Form { .. } => ViolationKind::Form,
            Self::NoRoom { .. } => ViolationKind::BodyMemory,
            Self::Unreadable(_) => ViolationKind::Unreadable,
            Self::TooSlow { .. } | Self::Stalled { .. } => ViolationKind::Slow,
        }
    }
}

/// The kinds of [`Violation`]: a closed list, fit for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViolationKind {
    /// The length or range of a field.
    Field,
    /// The size of the body or the query.
    BodySize,
    /// The format of the body.
    ContentType,
    /// The delimitation of the body.
    Framing,
    /// The encoding of the form.
    Form,
    /// The memory of all bodies.
    BodyMemory,
    /// A body without an end.
    Unreadable,
    /// The time that a body takes.
    Slow,
}

impl ViolationKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Field,
        Self::BodySize,
        Self::ContentType,
        Self::Framing,
        Self::Form,
        Self::BodyMemory,
        Self::Unreadable,
        Self::Slow,
    ];

    /// The kind's word in metrics and log lines.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::BodySize => "body_size",
            Self::ContentType => "content_type",
            Self::Framing => "framing",
            Self::Form => "form",
            Self::BodyMemory => "body_memory",
            Self::Unreadable => "unreadable",
            Self::Slow => "slow",
        }
    }
}

/// Where a field stands, such as `UniqueName` or `Participants[2].Identifier`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldPath {
    /// In the form itself.
    Form(Cow<'static, str>),
    /// A whole `Participants` value; occurrences in the same query or body count from 0.
    Participant(usize),
    /// In the object that such a value holds.
    InParticipant(usize, Cow<'static, str>),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(name) => f.write_str(name),
            Self::Participant(index) => write!(f, "Participants[{index}]"),
            Self::InParticipant(index, name) => write!(f, "Participants[{index}].{name}"),
        }
    }
}

/// How a field breaks its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It has more Unicode scalar values than its rule allows.
    Chars {
        /// How many it has.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// It has more bytes of UTF-8 than its rule allows.
    Bytes {
        /// How many it has.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// It is no whole number strictly between the two.
    Range {
        /// The value must be greater.
        low: u64,
        /// The value must be less.
        high: u64,
    },
    /// It is no JSON object.
    NoObject,
    /// It is an object of objects of objects, deeper than this many levels.
    Nesting {
        /// How many are allowed, the outermost included.
        max: usize,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Chars { found, max } => excess(f, "character", found, max),
            Self::Bytes { found, max } => excess(f, "byte", found, max),
            Self::Range { low, high } => {
                write!(f, "It must be a whole number greater than {low} and less than {high}.")
            }
            Self::NoObject => f.write_str("It must be a JSON object."),
            Self::Nesting { max } => {
                write!(f, "Its JSON may be nested at most {max} levels deep.")
            }
        }
    }
}

fn excess(f: &mut fmt::Formatter<'_>, unit: &str, found: usize, max: usize) -> fmt::Result {
    let plural = if found == 1 { "" } else { "s" };
    let allowed = if max == 1 { "is" } else { "are" };
    write!(f, "It has {found} {unit}{plural}; at most {max} {allowed} allowed.")
}

/// The two places where a form can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Behind the path.
    Query,
    /// In the body.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query => "query string",
            Self::Body => "body",
        })
    }
}

/// A size in bytes, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// What the client announced.
    Exactly(usize),
    /// What had come when the gateway stopped reading.
    MoreThan(usize),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(bytes) => write!(f, "{bytes}"),
            Self::MoreThan(bytes) => write!(f, "more than {bytes}"),
        }
    }
}

/// Why a body is not in the one format that the API reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// Not a form, not UTF-8, not said, or said twice.
    #[error(
        "The body must be a form in UTF-8: send exactly one \
         'Content-Type: application/x-www-form-urlencoded'."
    )]
    ContentType,
    /// Compressed, or said to be coded in any other way.
    #[error("The body must be sent as it is, without Content-Encoding.")]
    ContentEncoding,
}

/// Why a form has more than one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// A `%` that begins no escape.
    #[error("a '%' is not followed by two hexadecimal digits")]
    Percent,
    /// Bytes that are no text.
    #[error("it is not UTF-8")]
    Utf8,
}

#[cfg(test)]
mod tests {
    use super::Breach;
    use super::FieldPath;
    use super::Found;
    use super::Part;
    use super::Violation;
    use super::ViolationKind;
    use crate::policy::limit::OversizeStatus;
    use std::time::Duration;

    fn field(breach: Breach) -> String {
        Violation::Field { field: FieldPath::Form("UniqueName".into()), breach }.to_string()
    }

    #[test]
    fn a_field_is_refused_with_its_name_the_limit_and_the_number_found() {
        assert_eq!(
            field(Breach::Chars { found: 192, max: 191 }),
            "'UniqueName' is invalid. It has 192 characters; at most 191 are allowed."
        );
        assert_eq!(
            field(Breach::Bytes { found: 2, max: 1 }),
            "'UniqueName' is invalid. It has 2 bytes; at most 1 is allowed."
        );
        assert_eq!(
            field(Breach::Bytes { found: 1, max: 0 }),
            "'UniqueName' is invalid. It has 1 byte; at most 0 are allowed."
        );
        assert_eq!(
            Violation::Field {
                field: FieldPath::InParticipant(2, "Identifier".into()),
                breach: Breach::Chars { found: 300, max: 191 }
            }
            .to_string(),
            "'Participants[2].Identifier' is invalid. \
             It has 300 characters; at most 191 are allowed."
        );
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_its_range() {
        assert_eq!(
            Violation::Field {
                field: FieldPath::Form("Ttl".into()),
                breach: Breach::Range { low: 0, high: 2_147_483_647 }
            }
            .to_string(),
            "'Ttl' is invalid. It must be a whole number greater than 0 and less than 2147483647."
        );
    }

    #[test]
    fn a_body_above_the_limit_is_refused_with_both_sizes() {
        let too_large = |found| Violation::TooLarge {
            part: Part::Body,
            max_bytes: 10,
            found,
            status: OversizeStatus::BadRequest,
        };
        assert_eq!(
            too_large(Found::Exactly(11)).to_string(),
            "The body has 11 bytes; at most 10 are allowed."
        );
        assert_eq!(
            too_large(Found::MoreThan(10)).to_string(),
            "The body has more than 10 bytes; at most 10 are allowed."
        );
        assert_eq!(
            Violation::TooSlow { allowed: Duration::from_secs(30) }.to_string(),
            "The body did not arrive within 30s."
        );
    }

    #[test]
    fn no_two_kinds_have_the_same_label() {
        let labels: std::collections::HashSet<_> =
            ViolationKind::ALL.into_iter().map(ViolationKind::label).collect();
        assert_eq!(labels.len(), ViolationKind::ALL.len());
    }
}
