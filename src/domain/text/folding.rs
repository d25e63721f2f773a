//! What texts are taken for: by a search, and by a hasty reader.
/// The form in which texts are searched and sorted: compatibility-composed and lower case, so
/// that `É`, `é` and `E` + combining acute meet, on every database alike.
#[must_use]
pub fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// What a name looks like to a hasty reader (UTS #39 skeleton): two names with one skeleton
/// are look-alikes.
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
