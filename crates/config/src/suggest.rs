//! The nearest known word for a misspelt one. Must never suggest a word that is not near.

/// The nearest of `known` to `given`, when it is near enough to be meant.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > 64 {
        return None;
    }
    let near = |word: &&str| distance(given, word);
    let best = known.into_iter().map(|word| (near(&word), word)).min()?;
    let allowed = (given.chars().count() / 3).max(1);
    (best.0 <= allowed).then_some(best.1)
}

/// Levenshtein's distance, ignoring case and `-` for `_`.
fn distance(left: &str, right: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_").chars().collect::<Vec<_>>();
    let (left, right) = (plain(left), plain(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = i;
        let mut last = i.saturating_add(1);
        let mut next = Vec::with_capacity(row.len());
        next.push(last);
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            last = replaced.min(above.saturating_add(1)).min(last.saturating_add(1));
            diagonal = *above;
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["address", "allowed_origins", "allowed_hosts"];
        assert_eq!(nearest("adress", known), Some("address"));
        assert_eq!(nearest("allowed-origins", known), Some("allowed_origins"));
        assert_eq!(nearest("Allowed_Host", known), Some("allowed_hosts"));
        assert_eq!(nearest("tls_certificate", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
