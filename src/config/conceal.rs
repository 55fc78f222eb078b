//! What of a configuration must not be shown? Everything that could be a secret.
//!
//! Nothing in the configuration is a secret, but one can be put into it by mistake: a password
//! in a URL, an auth token where a SID belongs, or a key such as `password` that is none of
//! ours. A mistake must be reported without it.

use crate::sid::SidKind;

/// As many characters without a break, letters and digits mixed, are taken for a token.
const TOKEN_LENGTH: usize = 24;

/// What stands behind a key with one of these in its name is hidden, to the end of the line.
const TELLING: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "pwd",
    "bearer",
    "api_key",
    "api-key",
    "apikey",
    "authorization",
    // By themselves they are hosts too: `http://auth-proxy:9000`.
    "auth:",
    "auth=",
    "pass:",
];

/// `text` with everything that could be a secret, and every control character, replaced by
/// asterisks and spaces, one for each character, so that columns stay where they are.
pub(crate) fn conceal(text: &str) -> String {
    let mut shown: Vec<char> =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    hide_user_information(&mut shown);
    hide_behind_telling_keys(&mut shown);
    shown.chunk_by_mut(|a, b| is_word(*a) == is_word(*b)).for_each(|run| {
        if looks_like_a_token(run) {
            run.fill('*');
        }
    });
    shown.into_iter().collect()
}

/// Hides what stands between `://`, or else the beginning of the word, and each `@`.
fn hide_user_information(shown: &mut [char]) {
    let ends = |(index, c): (usize, &char)| (*c == '@').then_some(index);
    let Some(last) = shown.iter().enumerate().filter_map(ends).next_back() else { return };
    let Some(before) = shown.get_mut(..last) else { return };
    let begin = match before.windows(3).position(|three| three == [':', '/', '/']) {
        Some(scheme) => scheme.saturating_add(3),
        None => {
            before.iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at.saturating_add(1))
        }
    };
    if let Some(hidden) = before.get_mut(begin..) {
        hidden.iter_mut().filter(|c| !is_quote(**c)).for_each(|c| *c = '*');
    }
}

/// Hides what stands behind the `:` or `=` of a key whose name says that it is a secret.
fn hide_behind_telling_keys(shown: &mut [char]) {
    let lower: Vec<char> = shown.iter().map(char::to_ascii_lowercase).collect();
    let is_telling = |rest: &[char]| {
        TELLING.iter().any(|word| rest.iter().copied().take(word.len()).eq(word.chars()))
    };
    let key_ends = |c: &char| !(c.is_alphanumeric() || is_quote(*c) || " _-.".contains(*c));
    for word in 0..lower.len() {
        let Some(rest) = lower.get(word..).filter(|rest| is_telling(rest)) else { continue };
        let end =
            rest.iter().position(key_ends).map_or(usize::MAX, |end| word.saturating_add(end));
        if let Some([':' | '=', value @ ..]) = shown.get_mut(end..) {
            let hidden = value.iter_mut().filter(|c| !c.is_whitespace() && !is_quote(**c));
            hidden.for_each(|c| *c = '*');
            return;
        }
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '=')
}

fn looks_like_a_token(run: &[char]) -> bool {
    run.len() >= TOKEN_LENGTH
        && run.iter().any(char::is_ascii_digit)
        && run.iter().any(char::is_ascii_alphabetic)
        && !looks_like_a_sid(run)
}

/// SIDs are no secrets, and a person has to see which one is meant; also of a mistyped one.
fn looks_like_a_sid(run: &[char]) -> bool {
    let (Some(prefix), Some(digits)) = (run.get(..2), run.get(2..)) else { return false };
    SidKind::ALL.iter().any(|kind| kind.prefix().chars().eq(prefix.iter().copied()))
        && digits.iter().all(char::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::conceal;

    #[test]
    fn a_password_in_a_url_is_hidden_and_columns_stay() {
        let line = "  url: \"http://user:pa ss@host:9000\"  # why";
        let shown = conceal(line);
        assert_eq!(shown, "  url: \"http://**********@host:9000\"  # why");
        assert_eq!(shown.chars().count(), line.chars().count());
        assert_eq!(conceal("url: user:word@host"), "url: *********@host");
        assert_eq!(conceal("http://a:b://c@d@e"), "http://*********@e");
    }

    #[test]
    fn what_stands_behind_a_telling_key_is_hidden() {
        for (line, shown) in [
            ("  password: pa,ss # x", "  password: ***** * *"),
            ("x: { db-Password : \"a b\", y: 1 }", "x: { db-Password : \"* *\"* ** * *"),
            ("api_secret_2='x'", "api_secret_2='*'"),
            ("MASKGATE_TOKEN=x", "MASKGATE_TOKEN=*"),
            ("  x-api-key: a1", "  x-api-key: **"),
            ("authorization: Basic x", "authorization: ***** *"),
            ("x-auth: ab", "x-auth: **"),
            ("url: http://auth-proxy:90000", "url: http://auth-proxy:90000"),
            ("upstream.password", "upstream.password"),
            ("a token, which: none", "a token, which: none"),
            ("# a token, [password: x]", "# a token, [password: **"),
        ] {
            assert_eq!(conceal(line), shown);
        }
    }

    #[test]
    fn a_token_is_hidden_and_a_sid_is_not() {
        let sid = "AC0123456789abcdef0123456789abcdef";
        assert_eq!(conceal(sid), sid);
        assert_eq!(
            conceal("x: 0123456789abcdef0123456789abcdef."),
            format!("x: {}.", "*".repeat(32))
        );
        assert_eq!(conceal("CreateMessageInteraction"), "CreateMessageInteraction");
    }

    #[test]
    fn a_control_character_never_reaches_a_terminal() {
        assert_eq!(conceal("a\u{1b}[31mb\tc"), "a [31mb c");
    }
}
