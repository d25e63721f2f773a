//! Normalized forms of text: for searching and sorting, and for finding look-alikes.
/// Returns the form in which texts are searched and sorted: compatibility-composed (NFKC) and lower
/// case, so that `É`, `é` and `E` + combining acute match on every database alike.
#[must_use]
pub fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Returns the skeleton of a name (UTS #39): two names with the same skeleton look alike to a hasty
/// reader.
#[must_use]
pub fn skeleton(text: &str) -> String {
    unicode_security::skeleton(&folded(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_makes_search_meet_and_skeletons_meet_look_alikes() {
        assert_eq!(folded("É"), folded("e\u{301}"));
        assert_eq!(skeleton("аdmin"), skeleton("Admin"));
        assert_ne!(skeleton("admin"), skeleton("manager"));
    }
}
