//! What does a form say of a yes-or-no field?

use crate::inspect::form;

/// What the occurrences of one field say. Which of several the upstream takes is not known, so
/// all of them are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag {
    /// One says yes, or may.
    pub yes: bool,
    /// One says no, or may.
    pub no: bool,
}

impl Flag {
    /// What the field `name` says in a query and a form that have been judged. An occurrence that
    /// is neither `true` nor `false` may be either.
    pub fn in_form(name: &str, query: Option<&str>, form: &[u8]) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        let pairs = form::pairs(query).chain(form::pairs(form));
        let values = pairs.filter(|pair| pair.name.is(name)).map(|pair| pair.value.decode());
        values.fold(Self::default(), |so_far, value| {
            let value = value.unwrap_or_default();
            let (yes, no) =
                (value.eq_ignore_ascii_case("true"), value.eq_ignore_ascii_case("false"));
            Self { yes: so_far.yes || !no, no: so_far.no || !yes }
        })
    }

    /// Whether the field is absent.
    pub const fn is_absent(self) -> bool {
        !self.yes && !self.no
    }
}

#[cfg(test)]
mod tests {
    use super::Flag;

    fn flag(query: Option<&str>, form: &str) -> (bool, bool) {
        let Flag { yes, no } = Flag::in_form("IsReserved", query, form.as_bytes());
        (yes, no)
    }

    #[test]
    fn a_field_says_what_all_of_its_occurrences_say() {
        assert_eq!(flag(None, "Sid=PN1"), (false, false));
        assert_eq!(flag(None, "IsReserved=true&Sid=PN1"), (true, false));
        assert_eq!(flag(None, "%49sReserved=%54rue"), (true, false));
        assert_eq!(flag(None, "IsReserved=false"), (false, true));
        assert_eq!(flag(None, "IsReserved=true&IsReserved=false"), (true, true));
        assert_eq!(flag(Some("IsReserved=true"), "IsReserved=false"), (true, true));
        assert_eq!(flag(Some("IsReserved=true"), ""), (true, false));
    }

    #[test]
    fn what_is_neither_yes_nor_no_may_be_either() {
        for value in ["", "=", "=1", "=yes", "=true%20", "=%ff"] {
            assert_eq!(flag(None, &format!("IsReserved{value}")), (true, true), "{value}");
        }
        assert_eq!(flag(None, "isreserved=true"), (false, false));
    }
}
