//! Do the fields of a form keep to the rules of its operation?

use crate::inspect::check;
use crate::inspect::form;
use crate::inspect::form::Encoded;
use crate::inspect::form::Pair;
use crate::inspect::participants;
use crate::inspect::participants::Flaw;
use crate::inspect::participants::PARTICIPANTS;
use crate::inspect::violation::Breach;
use crate::inspect::violation::FieldPath;
use crate::inspect::violation::FormFault;
use crate::inspect::violation::Part;
use crate::inspect::violation::Violation;
use crate::policy::endpoint::Endpoint;
use crate::policy::field::FieldRule;
use crate::policy::field::FieldTable;

/// What the forms of one operation are held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormRules<'a> {
    fields: &'a [FieldRule],
    participants: Option<&'a [FieldRule]>,
}

/// What is wrong with one pair.
enum PairFault {
    Form(FormFault),
    Field(FieldPath, Breach),
}

impl From<FormFault> for PairFault {
    fn from(fault: FormFault) -> Self {
        Self::Form(fault)
    }
}

impl<'a> FormRules<'a> {
    /// The rules of the fields of `endpoint`.
    pub(super) fn of(table: &'a FieldTable, endpoint: Endpoint) -> Self {
        Self {
            fields: table.of(endpoint),
            participants: (endpoint == Endpoint::CreateSession)
                .then(|| table.of(Endpoint::CreateParticipant)),
        }
    }

    /// Judges every pair, however often its name comes: which of several the upstream takes is
    /// not known. The first that is wrong is the answer.
    pub(super) fn judge(self, part: Part, form: &[u8]) -> Result<(), Violation> {
        let mut participants = 0;
        for (pair, number) in form::pairs(form).zip(1..) {
            self.judge_pair(pair, &mut participants).map_err(|fault| match fault {
                PairFault::Form(fault) => Violation::Form { part, pair: number, fault },
                PairFault::Field(field, breach) => Violation::Field { field, breach },
            })?;
        }
        Ok(())
    }

    /// A field without a rule has to be readable, nothing more.
    fn judge_pair(self, pair: Pair<'_>, participants: &mut usize) -> Result<(), PairFault> {
        let rule = self.fields.iter().find(|rule| pair.name.is(&rule.name));
        if let Some(rule) = rule
            && let Some(breach) = check::encoded(rule.check, pair.value)?
        {
            return Err(PairFault::Field(FieldPath::Form(rule.name.clone()), breach));
        }
        if let Some(rules) = self.participants.filter(|_| pair.name.is(PARTICIPANTS)) {
            judge_participant(pair.value, rules, *participants)?;
            *participants = participants.saturating_add(1);
        } else if rule.is_none() {
            pair.readable()?;
        }
        Ok(())
    }
}

/// An empty value passes: it is what one of the official clients sends for none.
fn judge_participant(
    value: Encoded<'_>,
    rules: &[FieldRule],
    index: usize,
) -> Result<(), PairFault> {
    if value.is_empty() {
        return Ok(());
    }
    match participants::judge(&value.decode()?, rules) {
        None => Ok(()),
        Some(Flaw::Whole(breach)) => {
            Err(PairFault::Field(FieldPath::Participant(index), breach))
        }
        Some(Flaw::Field(name, breach)) => {
            Err(PairFault::Field(FieldPath::InParticipant(index, name), breach))
        }
    }
}
