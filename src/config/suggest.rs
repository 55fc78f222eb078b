//! Did you mean …? The known word that is nearest to a misspelt one.

/// The candidate that `word` is most likely a misspelling of; of equals the first.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = word.to_lowercase();
    // A third of the letters may be wrong, or `on` would be suggested for anything short.
    let most = word.chars().count().div_ceil(3).min(4);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= most && candidate != word)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The words between backticks in `text`.
pub(crate) fn words_in(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;
    use super::words_in;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let keys = ["requests_per_second", "window", "burst", "count"];
        assert_eq!(nearest("windw", keys), Some("window"));
        assert_eq!(nearest("Window", keys), Some("window"));
        assert_eq!(nearest("request_per_second", keys), Some("requests_per_second"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn the_words_of_a_sentence_are_those_between_backticks() {
        assert_eq!(words_in("write `on` or `off`"), ["on", "off"]);
        assert!(words_in("write a number").is_empty());
    }
}
