//! The checks that no other reader of a path takes it for one of another area, or for another action.
use std::cmp::Ordering;

use super::{
    Method, RequestPath, Routes,
    path::{decode_segment, segments},
    pattern::Folding,
    readings::other_readings,
    table::{Meaning, TableRoute},
};
use crate::domain::{access::Action, decision::Detail};

/// The maximum length of a path whose readings are compared, in bytes. Longer ones are refused, because
/// comparing them takes too long.
const LONGEST_COMPARED: usize = 8 * 1024;

/// Returns the segments as texts.
pub(super) fn as_strs(segments: &[String]) -> impl Iterator<Item = &str> {
    segments.iter().map(String::as_str)
}

impl Routes {
    /// Returns the first segments of a path, as many as some pattern has. Each segment with one meaning
    /// is decoded, and each other one is as it was written.
    pub(super) fn decoded_segments(&self, path: &str) -> Vec<String> {
        segments(path)
            .take(self.deepest)
            .map(|segment| decode_segment(segment).unwrap_or_else(|| segment.to_owned()))
            .collect()
    }

    /// Checks that no other reader of the path takes it for one of another area, or for another action of
    /// the method.
    pub(super) fn check_ambiguity(
        &self,
        path: &RequestPath<'_>,
        (area, method, action): (usize, &Method, Action),
    ) -> Result<(), Detail> {
        // Nearly all paths: nothing of them can be read in another way.
        if self.all_folded && path.unambiguous().is_some_and(is_plain) {
            return Ok(());
        }
        let segments = match path.unambiguous() {
            Some(path) => segments(path)
                .take(self.deepest)
                .map(str::to_owned)
                .collect(),
            None => self.decoded_segments(path.sent()),
        };
        let meaning = Meaning {
            area,
            as_sent: self.best(|pattern| pattern.applies_to(as_strs(&segments))),
            method,
            action,
        };
        if path.unambiguous().is_none() {
            self.check_readings(path.sent(), &meaning)?;
        }
        self.check_folded(&segments, &meaning)
    }

    /// Checks that no reading of a path leads to another area than the path as it was sent, with case
    /// and composition or without.
    fn check_readings(&self, sent: &str, meaning: &Meaning<'_>) -> Result<(), Detail> {
        if sent.len() > LONGEST_COMPARED {
            return Err(Detail::AmbiguousPath);
        }
        for reading in other_readings(sent).ok_or(Detail::AmbiguousPath)? {
            let segments = self.decoded_segments(&reading);
            let found = self.best(|pattern| pattern.applies_to(as_strs(&segments)));
            let as_sent = meaning.as_sent.map(|it| it.area);
            if found.is_some_and(|found| Some(found.area) != as_sent) {
                return Err(Detail::AmbiguousPath);
            }
            self.check_folded_areas(&segments, meaning)?;
        }
        Ok(())
    }

    /// Checks that the path leads neither further in nor to another action if it is compared without
    /// case or after composition.
    fn check_folded(&self, segments: &[String], meaning: &Meaning<'_>) -> Result<(), Detail> {
        self.check_folded_areas(segments, meaning)?;
        if self.is_folded(segments) {
            return Ok(());
        }
        let rules = &self.areas[meaning.area].rules;
        if !rules.has_method_route() {
            return Ok(());
        }
        for folding in foldings(rules.case_sensitive) {
            let folded = fold(segments, folding);
            let applies = |it: &TableRoute| it.folded(folding).applies_to(as_strs(&folded));
            let mut actions = self
                .actions(meaning.area, meaning.method, applies)
                .into_iter();
            if actions.any(|action| action != meaning.action) {
                return Err(Detail::AmbiguousPath);
            }
        }
        Ok(())
    }

    /// Checks that the path leads to no other area that lies further in if it is compared without case
    /// or after composition. Case counts if the area of the request or that other area says so.
    fn check_folded_areas(&self, segments: &[String], meaning: &Meaning<'_>) -> Result<(), Detail> {
        if self.is_folded(segments) {
            return Ok(());
        }
        let as_sent = meaning.as_sent;
        let is_own = |it: &TableRoute| {
            it.area == meaning.area || as_sent.is_some_and(|sent| sent.area == it.area)
        };
        let lies_further_in = |it: &TableRoute| {
            as_sent.is_none_or(|sent| {
                let by_pattern = it.route.pattern().specificity(sent.route.pattern());
                by_pattern == Ordering::Greater
            })
        };
        for folding in foldings(self.areas[meaning.area].rules.case_sensitive) {
            let folded = fold(segments, folding);
            let counts = |it: &TableRoute| {
                folding == Folding::Composition || !self.areas[it.area].rules.case_sensitive
            };
            let leads_on = self.ranked.iter().any(|it| {
                !is_own(it)
                    && lies_further_in(it)
                    && counts(it)
                    && it.folded(folding).applies_to(as_strs(&folded))
            });
            if leads_on {
                return Err(Detail::AmbiguousPath);
            }
        }
        Ok(())
    }

    /// Returns `true` if nothing changes without case and after composition.
    fn is_folded(&self, segments: &[String]) -> bool {
        self.all_folded && as_strs(segments).all(is_plain)
    }
}

/// Returns `true` for a text that is the same without case and after composition: ASCII without upper
/// case.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// The foldings by which an area's paths are compared.
fn foldings(case_sensitive: bool) -> impl Iterator<Item = Folding> {
    let with_case = (!case_sensitive).then_some(Folding::CompositionAndCase);
    [Folding::Composition].into_iter().chain(with_case)
}

fn fold(segments: &[String], by: Folding) -> Vec<String> {
    segments.iter().map(|segment| by.apply(segment)).collect()
}
