//! What does an answer tell? Facts about services, numbers, sessions and participants, from the
//! upstream's JSON as it passes.
//!
//! **Invariant:** reading changes nothing of an answer and holds up none of its pieces; it holds
//! no more than [`MOST_READ`] bytes of it. An answer that is not what it should be (other
//! identifiers than the path's, a missing field, several accounts, no JSON) teaches nothing.
//!
//! Nothing is remembered here: who remembers what is the business of `admit`, `pool` and `advise`.

mod facts;
mod read;
mod reading;
mod record;
mod subject;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use facts::Lesson;
pub use facts::NumberFact;
pub use facts::ParticipantFact;
pub use facts::ServiceFact;
pub use facts::SessionFact;
pub use read::read;
pub use reading::MOST_READ;
pub use reading::Reading;
pub use reading::Unread;
pub use reading::is_readable;
pub use subject::Subject;
