//! The table of all areas and their routes, which gives the target of a request.
use std::cmp::Ordering;

use super::{
    AreaSelector, Method, PathForm, PathRules, RequestPath, Route,
    path::segments,
    pattern::{Folding, Pattern},
};
use crate::domain::{
    access::{Action, AreaSlug},
    decision::{Detail, Target},
};

/// All areas and their routes at one point in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    pub(super) areas: Vec<AreaEntry>,
    /// The routes, the most specific first.
    pub(super) ranked: Vec<TableRoute>,
    /// Whether all patterns are already composed and in lower case.
    pub(super) all_folded: bool,
    /// The number of segments of the longest pattern. No segment behind it matters.
    pub(super) deepest: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AreaEntry {
    pub slug: AreaSlug,
    pub rules: PathRules,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableRoute {
    /// The place of the area in the table.
    pub area: usize,
    pub route: Route,
    composed: Pattern,
    caseless: Pattern,
}

impl TableRoute {
    /// Returns the pattern for paths without these differences.
    pub(super) const fn folded(&self, by: Folding) -> &Pattern {
        match by {
            Folding::Composition => &self.composed,
            Folding::CompositionAndCase => &self.caseless,
        }
    }
}

/// What a request means, by the routes as they are written.
pub(super) struct Meaning<'a> {
    /// The place of the area in the table.
    pub area: usize,
    /// The route that the path as it was sent leads to, if it leads to one.
    pub as_sent: Option<&'a TableRoute>,
    /// The method.
    pub method: &'a Method,
    /// The action.
    pub action: Action,
}

impl Routes {
    /// Creates the table from the existing areas and their rules.
    #[must_use]
    pub fn new(areas: impl IntoIterator<Item = (AreaSlug, PathRules)>) -> Self {
        let areas: Vec<AreaEntry> = areas
            .into_iter()
            .map(|(slug, rules)| AreaEntry { slug, rules })
            .collect();
        let mut ranked: Vec<TableRoute> = Vec::new();
        for (area, entry) in areas.iter().enumerate() {
            for route in entry.rules.routes() {
                ranked.push(TableRoute {
                    area,
                    route: route.clone(),
                    composed: route.pattern().folded(Folding::Composition),
                    caseless: route.pattern().folded(Folding::CompositionAndCase),
                });
            }
        }
        ranked.sort_by(|one, two| {
            let (one, two) = (one.route.pattern(), two.route.pattern());
            two.specificity(one)
        });
        let all_folded = ranked
            .iter()
            .all(|it| *it.route.pattern() == it.caseless && it.composed == it.caseless);
        let lengths = ranked.iter().map(|it| it.route.pattern().len());
        Self {
            deepest: lengths.max().unwrap_or(0),
            areas,
            ranked,
            all_folded,
        }
    }

    /// Returns `true` if the area exists.
    #[must_use]
    pub fn knows(&self, area: &AreaSlug) -> bool {
        self.place(area).is_some()
    }

    fn place(&self, area: &AreaSlug) -> Option<usize> {
        self.areas.iter().position(|entry| entry.slug == *area)
    }

    /// Returns the area and action that a request leads to.
    #[must_use]
    pub fn target(
        &self,
        selector: &AreaSelector,
        method: &Method,
        path: &RequestPath<'_>,
    ) -> Target {
        let found = match selector {
            AreaSelector::Area(area) => self.at_constant(area, method, path),
            AreaSelector::Path => self.by_path(method, path),
        };
        match found {
            Ok((area, action)) => Target::Routed(self.areas[area].slug.clone(), action),
            Err(detail) => Target::NoRoute(detail),
        }
    }

    /// Returns the area that the path leads to as it is written, whatever the method, or `None` if it
    /// leads to none.
    #[must_use]
    pub fn area_of(&self, path: &RequestPath<'_>) -> Option<&AreaSlug> {
        let area = self.area_by_path(path).ok()?;
        Some(&self.areas[area].slug)
    }

    /// The gateway's own location gives the area.
    fn at_constant(
        &self,
        area: &AreaSlug,
        method: &Method,
        path: &RequestPath<'_>,
    ) -> Result<(usize, Action), Detail> {
        let area = self.place(area).ok_or(Detail::UnknownArea)?;
        let action = self.action(area, method, path)?;
        self.check_ambiguity(path, (area, method, action))?;
        Ok((area, action))
    }

    fn by_path(&self, method: &Method, path: &RequestPath<'_>) -> Result<(usize, Action), Detail> {
        let area = self.area_by_path(path)?;
        let action = self.action(area, method, path)?;
        // A path that is not unambiguous leads to an area with opaque paths, and to no other.
        if path.unambiguous().is_some() {
            self.check_ambiguity(path, (area, method, action))?;
        }
        Ok((area, action))
    }

    /// Returns the area to which the path leads as it is written.
    fn area_by_path(&self, path: &RequestPath<'_>) -> Result<usize, Detail> {
        let Some(unambiguous) = path.unambiguous() else {
            return self.opaque_area(path.sent());
        };
        let area = self.best(|pattern| pattern.applies_to(segments(unambiguous)));
        Ok(area.ok_or(Detail::NoMatch)?.area)
    }

    /// Returns the area with opaque paths to which a path leads that is not unambiguous. No route
    /// of another area lies at, above or below one of such an area, so that no other area could be
    /// meant.
    fn opaque_area(&self, sent: &str) -> Result<usize, Detail> {
        let opaque = self
            .ranked
            .iter()
            .find(|it| {
                self.areas[it.area].rules.form == PathForm::Opaque
                    && it.route.pattern().applies_to_sent(segments(sent))
            })
            .ok_or(Detail::AmbiguousPath)?;
        Ok(opaque.area)
    }

    /// Returns the most specific route to which the condition applies, or `None` if there is none
    /// or two areas have it.
    pub(super) fn best(&self, applies: impl Fn(&Pattern) -> bool) -> Option<&TableRoute> {
        let mut fitting = self.ranked.iter().filter(|it| applies(it.route.pattern()));
        let best = fitting.next()?;
        let is_as_specific = |it: &&TableRoute| {
            it.route.pattern().specificity(best.route.pattern()) == Ordering::Equal
        };
        fitting
            .take_while(is_as_specific)
            .all(|other| other.area == best.area)
            .then_some(best)
    }

    /// Returns the action that the method means at this path of the area.
    fn action(
        &self,
        area: usize,
        method: &Method,
        path: &RequestPath<'_>,
    ) -> Result<Action, Detail> {
        if !self.areas[area].rules.has_method_route() {
            return method.usual_action().ok_or(Detail::NoMatch);
        }
        // An action that depends on the path needs a path that all programs read alike.
        let path = path.unambiguous().ok_or(Detail::AmbiguousPath)?;
        let applies = |it: &TableRoute| it.route.pattern().applies_to(segments(path));
        let actions = self.actions(area, method, applies);
        actions.first().copied().ok_or(Detail::NoMatch)
    }

    /// Returns the actions that the most specific routes for the method mean, or else its usual one.
    /// There are several only if patterns are compared without their differences.
    pub(super) fn actions(
        &self,
        area: usize,
        method: &Method,
        applies: impl Fn(&TableRoute) -> bool,
    ) -> Vec<Action> {
        fn said(it: &TableRoute) -> Option<&Method> {
            it.route.says().map(|(said, _)| said)
        }
        let meant = |it: &&TableRoute| said(it).is_none_or(|said| method.goes_with(said));
        // Among routes with the same pattern, one for exactly this method has the highest rank.
        let rank = |it: &TableRoute| {
            let said = said(it);
            (said.is_some(), said == Some(method))
        };
        let compare = |one: &TableRoute, two: &TableRoute| {
            let by_pattern = one.route.pattern().specificity(two.route.pattern());
            by_pattern.then_with(|| rank(one).cmp(&rank(two)))
        };
        let fitting = || {
            let of_area = self.ranked.iter().filter(|it| it.area == area);
            of_area.filter(|it| applies(it)).filter(meant)
        };
        let Some(nearest) = fitting().max_by(|one, two| compare(one, two)) else {
            return method.usual_action().into_iter().collect();
        };
        fitting()
            .filter(|it| compare(it, nearest) == Ordering::Equal)
            .filter_map(|it| match it.route.says() {
                Some((_, action)) => Some(*action),
                None => method.usual_action(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::ambiguity::as_strs, *};

    fn area(slug: &str) -> AreaSlug {
        slug.parse().expect(slug)
    }

    fn rules_for(routes: &[&str], form: PathForm, case_sensitive: bool) -> PathRules {
        let routes = routes.iter().map(|text| text.parse().expect(text));
        PathRules::new(routes.collect(), form, case_sensitive)
    }

    fn rules(routes: &[&str]) -> PathRules {
        rules_for(routes, PathForm::Strict, false)
    }

    fn opaque(routes: &[&str]) -> PathRules {
        rules_for(routes, PathForm::Opaque, false)
    }

    fn case_sensitive(routes: &[&str]) -> PathRules {
        rules_for(routes, PathForm::Strict, true)
    }

    fn table<const N: usize>(areas: [(&str, PathRules); N]) -> Routes {
        Routes::new(areas.map(|(slug, rules)| (area(slug), rules)))
    }

    fn routes() -> Routes {
        table([
            (
                "contacts",
                rules(&[
                    "/contacts",
                    "POST /contacts/search=read",
                    "GET /contacts/export=create",
                    "/contacts/search/admin",
                    "OPTIONS /contacts=read",
                ]),
            ),
            (
                "documents",
                rules(&["/documents", "DELETE /elsewhere=read"]),
            ),
            ("search", rules(&["/contacts/deep/search"])),
            ("bare", rules(&[])),
        ])
    }

    fn target(routes: &Routes, constant: &str, request: &str) -> String {
        let (method, path) = request.split_once(' ').expect("method and path");
        let selector = match constant {
            "" => AreaSelector::Path,
            slug => AreaSelector::Area(area(slug)),
        };
        let method = Method::from_word(method).expect("a method");
        let Some(path) = RequestPath::read(path.as_bytes()) else {
            return "refused".to_owned();
        };
        match routes.target(&selector, &method, &path) {
            Target::Routed(area, action) => format!("{area} {}", action.word()),
            Target::NoRoute(Detail::NoMatch) => "-".to_owned(),
            Target::NoRoute(Detail::AmbiguousPath) => "ambiguous".to_owned(),
            Target::NoRoute(other) => other.word().to_owned(),
        }
    }

    #[track_caller]
    fn targets(routes: &Routes, rows: &[(&str, &str, &str)]) {
        for (constant, request, expected) in rows {
            let found = target(routes, constant, request);
            assert_eq!(found, *expected, "{constant:?} {request}");
        }
    }

    #[test]
    fn the_longest_route_on_segment_boundaries_gives_the_area() {
        targets(
            &routes(),
            &[
                ("", "GET /contacts", "contacts read"),
                ("", "GET /contacts/", "contacts read"),
                ("", "GET /contacts/7", "contacts read"),
                ("", "GET /contacts/%37", "contacts read"),
                ("", "GET /contactsx", "-"),
                ("", "GET /contacts/deep", "contacts read"),
                ("", "GET /contacts/deep/search", "search read"),
                ("", "GET /contacts/deep/search/x", "search read"),
                ("", "GET /contacts/deep/searching", "contacts read"),
                ("", "GET /documents", "documents read"),
                ("", "GET /Documents", "-"),
                ("", "GET /", "-"),
                // The path alone gives the area, whatever method the route was made for.
                ("", "GET /elsewhere", "documents read"),
            ],
        );
    }

    #[test]
    fn methods_mean_actions_unless_a_route_of_the_area_says_otherwise() {
        targets(
            &routes(),
            &[
                ("", "POST /contacts", "contacts create"),
                ("", "PUT /contacts/7", "contacts update"),
                ("", "PATCH /contacts/7", "contacts update"),
                ("", "DELETE /contacts/7", "contacts delete"),
                ("", "HEAD /contacts/7", "contacts read"),
                ("", "OPTIONS /documents", "-"),
                ("", "OPTIONS /contacts/7", "contacts read"),
                ("", "PROPFIND /contacts/7", "-"),
                ("", "POST /contacts/search", "contacts read"),
                ("", "POST /contacts/search/x", "contacts read"),
                ("", "POST /contacts/search/admin", "contacts create"),
                ("", "DELETE /contacts/search", "contacts delete"),
                ("", "GET /contacts/export", "contacts create"),
                ("", "HEAD /contacts/export", "contacts create"),
                ("contacts", "POST /contacts/search", "contacts read"),
                ("contacts", "POST /anything/else", "contacts create"),
                ("bare", "POST /contacts/search", "bare create"),
                ("bare", "GET /contacts", "bare read"),
                ("bare", "PROPFIND /contacts", "-"),
                ("invoices", "GET /contacts", "unknown_area"),
            ],
        );
    }

    #[test]
    fn a_star_is_any_one_segment_and_gives_way_to_a_verb_and_to_a_literal() {
        let routes = table([
            ("orgs", rules(&["/v1/orgs", "PROPFIND /v1/orgs/*/dav=read"])),
            ("contacts", rules(&["/v1/orgs/*/contacts"])),
            ("billing", rules(&["/v1/orgs/acme/contacts"])),
            ("jobs", rules(&["/v1/jobs/*:cancel", "/v1/jobs/7"])),
            ("other", rules(&["/v1/jobs/*"])),
            ("star", rules(&["/v1/%2A"])),
        ]);
        targets(
            &routes,
            &[
                ("", "GET /v1/orgs/7/contacts/1", "contacts read"),
                ("", "GET /v1/orgs/7", "orgs read"),
                ("", "GET /v1/orgs/7/8/contacts", "orgs read"),
                ("", "GET /v1/orgs/acme/contacts", "billing read"),
                ("", "GET /v1/orgs/%61cme/contacts", "billing read"),
                ("", "GET /v1/orgs/a%20b/contacts", "contacts read"),
                ("", "PROPFIND /v1/orgs/7/dav/x", "orgs read"),
                ("", "PROPFIND /v1/orgs/7", "-"),
                ("", "POST /v1/jobs/7:cancel", "jobs create"),
                ("", "POST /v1/jobs/7", "jobs create"),
                ("", "POST /v1/jobs/8", "other create"),
                ("", "POST /v1/jobs", "-"),
                ("", "GET /v1/*", "star read"),
                ("", "GET /v1/x", "-"),
                ("", "GET /v1/orgs/a%2Fb/contacts", "ambiguous"),
            ],
        );
    }

    #[test]
    fn a_path_that_two_areas_claim_leads_nowhere() {
        let both = table([
            ("a", rules(&["/x"])),
            ("b", rules(&["/x"])),
            ("c", rules(&["/x/*"])),
        ]);
        targets(&both, &[("", "GET /x", "-"), ("", "GET /x/1", "c read")]);
        let root = table([("all", rules(&["/"]))]);
        targets(
            &root,
            &[
                ("", "GET /documents/1", "all read"),
                ("", "GET /", "all read"),
            ],
        );
    }

    #[test]
    fn opaque_paths_have_any_form_below_the_segments_of_a_route() {
        let routes = table([
            ("npm", opaque(&["/npm", "/projects/*/repo"])),
            ("contacts", rules(&["/contacts"])),
        ]);
        targets(
            &routes,
            &[
                ("", "GET /npm/@acme%2fwidgets", "npm read"),
                ("", "GET /npm/queues/%2F/jobs", "npm read"),
                ("", "GET /npm/50%25-off", "npm read"),
                ("", "GET /npm/1;rev=2", "npm read"),
                ("", "GET /npm//a%5Cb\\c/\u{e9}|{}", "npm read"),
                ("", "GET /projects/7/repo/a%2Fb", "npm read"),
                ("", "GET /npm/plain", "npm read"),
                ("", "PROPFIND /npm/a%2Fb", "-"),
                // The segments of the route itself stay strict.
                ("", "GET /npm;x/a", "ambiguous"),
                ("", "GET /npm%2Fa", "ambiguous"),
                ("", "GET /projects/a%2Fb/repo/x", "ambiguous"),
                ("", "GET /projects//repo/a%2Fb", "ambiguous"),
                ("", "GET /NPM/a%2Fb", "ambiguous"),
                ("", "GET /contacts/a%2Fb", "ambiguous"),
                ("", "GET /npm/..%2fcontacts", "refused"),
                ("", "GET /npm/%252e%252e/x", "refused"),
            ],
        );
    }

    #[test]
    fn a_constant_area_takes_every_path_that_leads_no_other_reader_elsewhere() {
        let routes = table([
            ("api", rules(&["/api"])),
            ("admin", rules(&["/api/admin"])),
            ("bare", rules(&[])),
            ("strict", rules(&["/strict", "POST /strict/search=read"])),
        ]);
        targets(
            &routes,
            &[
                ("bare", "GET /api/queues/%2F/jobs", "bare read"),
                ("bare", "GET /@acme%2fwidgets", "bare read"),
                ("bare", "GET /coupons/50%25-off", "bare read"),
                ("bare", "GET /items/1;rev=2//x", "bare read"),
                ("bare", "GET /caf\u{e9} {x}", "bare read"),
                ("api", "GET /api/items/1;rev=2", "api read"),
                ("api", "GET /api//x", "api read"),
                ("api", "DELETE /api/a%2Fb", "api delete"),
                // The gateway chose the location by what it read itself.
                ("api", "GET /api/admin/x", "api read"),
                ("api", "GET /api/admin%2Fx", "ambiguous"),
                ("api", "GET /api/admin;x=1/y", "ambiguous"),
                ("api", "GET /api//admin", "ambiguous"),
                ("api", "GET /api/%2Fadmin", "ambiguous"),
                ("api", "GET /api\\admin", "ambiguous"),
                ("api", "GET /api;%2Fadmin", "ambiguous"),
                ("api", "GET /api/%2561dmin", "ambiguous"),
                ("api", "GET /api//Admin/users", "ambiguous"),
                ("api", "GET /api/Admin;x/users", "ambiguous"),
                ("api", "GET /api/%41dmin%2Fusers", "ambiguous"),
                ("bare", "GET /x;y/api", "bare read"),
                ("bare", "GET /%2Fapi", "ambiguous"),
                ("bare", "GET /;x/api", "ambiguous"),
                ("bare", "GET /api/../x", "refused"),
                ("bare", "GET /x/..;/y", "refused"),
                // An action that depends on the path needs a path that all read alike.
                ("strict", "POST /strict/1", "strict create"),
                ("strict", "POST /strict/search", "strict read"),
                ("strict", "POST /strict/a%2Fb", "ambiguous"),
                ("strict", "POST /strict/search;x", "ambiguous"),
            ],
        );
    }

    #[test]
    fn a_path_that_leads_further_in_without_case_or_composed_is_ambiguous() {
        let areas = |admin: PathRules| {
            table([
                ("api", rules(&["/api", "POST /api/search=read"])),
                ("admin", admin),
                ("plain", rules(&[])),
            ])
        };
        let inner = ["/api/admin", "/api/caf\u{e9}"];
        targets(
            &areas(rules(&inner)),
            &[
                ("", "GET /api/admin/users", "admin read"),
                ("", "GET /api/Admin/users", "ambiguous"),
                ("", "GET /api/ADMIN", "ambiguous"),
                ("", "GET /api/%41dmin", "ambiguous"),
                ("", "GET /api/adm\u{131}n", "ambiguous"),
                ("", "GET /api/cafe%CC%81", "ambiguous"),
                ("", "GET /api/Users/7", "api read"),
                ("", "GET /API/admin", "-"),
                ("", "POST /api/search", "api read"),
                ("", "POST /api/Search", "ambiguous"),
                ("", "GET /api/Search", "api read"),
                ("api", "GET /api/Admin/users", "ambiguous"),
                ("plain", "GET /api/Admin/users", "ambiguous"),
                ("admin", "GET /api/Admin/users", "admin read"),
                ("plain", "GET /api/Users/users", "plain read"),
            ],
        );
        targets(
            &areas(case_sensitive(&inner)),
            &[
                ("", "GET /api/Admin/users", "api read"),
                ("", "GET /api/cafe%CC%81", "ambiguous"),
                ("", "GET /api/Caf%C3%A9", "api read"),
                ("", "POST /api/Search", "ambiguous"),
            ],
        );
    }

    #[test]
    fn any_area_that_lies_further_in_counts() {
        let twins = table([
            ("api", rules(&["/api", "/v1"])),
            ("one", rules(&["/api/Admin", "/v1/*:Cancel"])),
            ("two", rules(&["/api/ADMIN", "/v1/*:cancel"])),
        ]);
        let middle = table([
            (
                "api",
                rules(&["/api", "GET /api/x=create", "GET /api/X=delete"]),
            ),
            ("admin", rules(&["/api/admin"])),
            ("deep", case_sensitive(&["/api/admin/deep"])),
            ("nfd", rules(&["/api/sub/cafe%CC%81"])),
            ("bare", rules(&[])),
        ]);
        targets(
            &twins,
            &[
                ("", "GET /api/admin", "ambiguous"),
                ("", "GET /api/Admin", "one read"),
                ("", "POST /v1/7:CANCEL", "ambiguous"),
                ("", "POST /v1/7:cancel", "two create"),
            ],
        );
        targets(
            &middle,
            &[
                ("", "GET /api/Admin/deep", "ambiguous"),
                ("", "GET /api/admin/Deep", "admin read"),
                ("", "GET /api/x", "ambiguous"),
                ("", "GET /api/y", "api read"),
                // Decoded, but not composed.
                ("bare", "GET /api/sub%2Fcafe%CC%81", "ambiguous"),
                ("bare", "GET /api/%2Fx", "bare read"),
            ],
        );
        let long = format!("GET /x;{}", "a".repeat(10_000));
        targets(&middle, &[("bare", &long, "ambiguous")]);
    }

    /// Three ways in which programs normalize a path; for an accepted path all give the same
    /// result.
    fn normalized(path: &str) -> [String; 3] {
        let end = path.find('?').unwrap_or(path.len());
        let raw = &path[..end];
        let decoded = |text: &str| {
            let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let resolved = |text: &str| {
            let mut segments = Vec::new();
            for segment in text.split(['/', '\\']) {
                match segment.split(';').next().unwrap_or_default().trim() {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    segment => segments.push(segment.to_lowercase()),
                }
            }
            segments.join("/")
        };
        [
            resolved(&decoded(raw)),
            resolved(&decoded(&decoded(raw))),
            resolved(&decoded(&resolved(raw))),
        ]
    }

    /// The area of a normalized path, by a plain comparison.
    fn area_of_normalized(path: &str) -> &'static str {
        let is_in = |root: &str| path == root || path.starts_with(&format!("{root}/"));
        if is_in("contacts/admin") {
            "admin"
        } else if is_in("contacts") {
            "contacts"
        } else if is_in("documents") {
            "documents"
        } else {
            ""
        }
    }

    proptest! {
        /// For both forms of the endpoint: what is let through leads every reader to the same area,
        /// or at a constant at most out of all areas.
        #[test]
        fn who_accepts_a_path_sees_the_same_area(
            path in "(/(contacts|documents|admin|Admin|\\.\\.|\\.|%2e|%61dmin|;|;x|%2f|%2fadmin|%5c|\\\\|%25|a%20b|\\.\\.%3[bB]x?|\\.\\.%20|%20\\.\\.|[a-z%;.]{0,3})){1,5}/?(\\?.*)?"
        ) {
            let routes = table([
                ("contacts", rules(&["/contacts"])),
                ("admin", rules(&["/contacts/admin"])),
                ("documents", opaque(&["/documents"])),
            ]);
            let Some(read) = RequestPath::read(path.as_bytes()) else {
                return Ok(());
            };
            if let Target::Routed(area, _) = routes.target(&AreaSelector::Path, &Method::Get, &read) {
                for seen in normalized(&path) {
                    prop_assert_eq!(area_of_normalized(&seen), area.as_str(), "{}", path);
                }
            }
            let constant = AreaSelector::Area(area("contacts"));
            if let Target::Routed(..) = routes.target(&constant, &Method::Get, &read) {
                let written = routes.decoded_segments(read.sent());
                let as_sent = routes.best(|pattern| pattern.applies_to(as_strs(&written)));
                let as_sent = as_sent.map_or("", |it| routes.areas[it.area].slug.as_str());
                for seen in normalized(&path) {
                    let seen = area_of_normalized(&seen);
                    prop_assert!(["", as_sent, "contacts"].contains(&seen), "{}: {}", path, seen);
                }
            }
        }
    }
}
