//! What somebody who mistyped a name probably meant.

/// The candidate nearest to what was written, if it is near enough to have been meant.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A transposition is one mistake, so Damerau's distance; a third of the letters may be wrong.
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(written, candidate);
        let allowed = (written.chars().count().max(candidate.chars().count()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, or nothing where no valid name is near what was written.
pub fn did_you_mean<'a>(written: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, valid).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_letters_may_be_wrong() {
        let names = ["partition", "restart"];
        assert_eq!(nearest("partiton", names), Some("partition"));
        assert_eq!(nearest("rsetart", names), Some("restart"));
        assert_eq!(nearest("crash", names), None);
    }
}
