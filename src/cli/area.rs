//! `area`: lists, adds, changes and removes access areas and their routes.
use serde_json::{Value, json};

use super::{
    AreaCommand, Failure,
    arguments::{AreaAddArguments, AreaEditArguments, PathArguments},
    output::{self, Output, brief},
    refused,
};
use crate::{
    domain::{
        access::{Area, AreaSlug},
        audit::Change,
        route::{PathForm, PathRules, Route, RouteError},
        text::visible,
    },
    keyring::{DefinedArea, Keyring, KeyringError},
};

pub(super) async fn run(
    keyring: &Keyring,
    command: &AreaCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        AreaCommand::Add(arguments) => add(keyring, arguments, output).await,
        AreaCommand::List => list(keyring, output).await,
        AreaCommand::Edit(arguments) => edit(keyring, arguments, output).await,
        AreaCommand::Remove { slug } => remove(keyring, slug, output).await,
    }
}

fn slug(text: &str) -> Result<AreaSlug, Failure> {
    Ok(text.parse().map_err(KeyringError::Access)?)
}

fn routes(
    texts: &[String],
    parse: fn(&str) -> Result<Route, RouteError>,
) -> Result<Vec<Route>, Failure> {
    texts
        .iter()
        .map(|text| parse(text).map_err(refused))
        .collect()
}

/// Returns the rules with these routes and, as far as they are given, with these arguments.
fn rules(routes: Vec<Route>, before: &PathRules, arguments: &PathArguments) -> PathRules {
    PathRules::new(
        routes,
        arguments.paths.unwrap_or(before.form),
        arguments.case_sensitive.unwrap_or(before.case_sensitive),
    )
}

/// Returns the slug with a capital first letter: `invoices` → `Invoices`.
fn capitalised(slug: &AreaSlug) -> String {
    let (first, rest) = slug.as_str().split_at(1);
    first.to_ascii_uppercase() + rest
}

async fn add(
    keyring: &Keyring,
    arguments: &AreaAddArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let slug = slug(&arguments.slug)?;
    let badge = arguments
        .badge
        .clone()
        .unwrap_or_else(|| capitalised(&slug));
    let title = arguments.title.clone();
    let title = title.unwrap_or_else(|| format!("{badge} Access"));
    let routes = routes(&arguments.rules.routes, str::parse)?;
    let new = DefinedArea {
        rules: rules(routes, &PathRules::default(), &arguments.rules),
        area: Area { slug, title, badge },
    };
    output.recorded(keyring.add_area(&new).await?);
    if waits(Change::AreaAdded, &new, output)? {
        return Ok(());
    }
    done(None, &new, "Access area added.", output)
}

async fn edit(
    keyring: &Keyring,
    arguments: &AreaEditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let seen = keyring.defined_area(&slug(&arguments.slug)?).await?;
    let mut area = seen.area.clone();
    area.title = arguments.title.clone().unwrap_or(area.title);
    area.badge = arguments.badge.clone().unwrap_or(area.badge);
    let mut kept = seen.rules.routes().to_vec();
    for gone in routes(&arguments.remove_routes, Route::parse_stored)? {
        let at = kept.iter().position(|route| *route == gone);
        let at = at.ok_or_else(|| {
            let slug = &area.slug;
            refused(format!(
                "{slug} has no route {gone}: `claviger area list` shows its routes"
            ))
        })?;
        kept.remove(at);
    }
    kept.extend(routes(&arguments.rules.routes, str::parse)?);
    let edited = DefinedArea {
        rules: rules(kept, &seen.rules, &arguments.rules),
        area,
    };
    let is_changed = output.recorded(keyring.edit_area(&seen, &edited).await?);
    if waits(Change::AreaEdited, &seen, output)? {
        return Ok(());
    }
    let sentence = if is_changed {
        "Access area updated."
    } else {
        "The access area was like that already."
    };
    done(Some(&seen), &edited, sentence, output)
}

fn waits(change: Change, area: &DefinedArea, output: &mut Output) -> Result<bool, Failure> {
    let slug = area.area.slug.as_str();
    let subject = format!("area:{slug}");
    output.waits(change, &[&subject], json!({ "slug": slug }))
}

async fn remove(keyring: &Keyring, name: &str, output: &mut Output) -> Result<(), Failure> {
    let seen = keyring.defined_area(&slug(name)?).await?;
    output.recorded(keyring.remove_area(&seen).await?);
    if waits(Change::AreaRemoved, &seen, output)? {
        return Ok(());
    }
    if output.json {
        return output.json(&json!({ "slug": seen.area.slug.as_str(), "removed": true }));
    }
    output::print_notice("Access area removed.");
    Ok(())
}

fn done(
    before: Option<&DefinedArea>,
    area: &DefinedArea,
    sentence: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json {
        output.json(&as_json(area))?;
    } else {
        output::print_notice(sentence);
    }
    for notice in notices(before.map(|before| &before.rules), area) {
        output::print_notice(&notice);
    }
    Ok(())
}

/// Returns what follows from the new rules and may not be expected.
fn notices(before: Option<&PathRules>, area: &DefinedArea) -> Vec<String> {
    let (slug, rules) = (&area.area.slug, &area.rules);
    let mut notices = Vec::new();
    if rules.routes().is_empty() {
        notices.push(format!(
            "It has no route yet: an endpoint finds it at /authorize/{slug} only."
        ));
    }
    if rules.has_method_route() && !before.is_some_and(PathRules::has_method_route) {
        notices.push(format!(
            "A route names a method, so the action depends on the path: a location of a gateway that asks /authorize/{slug} now accepts only paths that all programs read alike."
        ));
    }
    let is_new = |route: &&Route| !before.is_some_and(|before| before.routes().contains(route));
    for route in rules.routes().iter().filter(is_new) {
        if let Some((method, _)) = route.says()
            && matches!(method.word(), "*" | "ANY" | "ALL")
        {
            notices.push(format!(
                "{method} is taken for the name of a method in the route {route}: a path alone is a route for every method."
            ));
        }
        if let Some(segment) = route.pattern().doubtful_segment() {
            notices.push(format!(
                "{segment} stands for itself in the route {route}: write * for any one segment."
            ));
        }
    }
    notices
}

fn as_json(defined: &DefinedArea) -> Value {
    let rules = &defined.rules;
    let routes: Vec<String> = rules.routes().iter().map(ToString::to_string).collect();
    json!({
        "slug": defined.area.slug.as_str(),
        "title": defined.area.title,
        "badge": defined.area.badge,
        "routes": routes,
        "paths": rules.form.word(),
        "case_sensitive": rules.case_sensitive,
    })
}

async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let areas = keyring.defined_areas().await?;
    if output.json {
        return output.json(&areas.iter().map(as_json).collect());
    }
    let mut has_old_parameters = false;
    for DefinedArea { area, rules } in &areas {
        let (title, badge) = (brief(&area.title), brief(&area.badge));
        let mut line = format!("{}  {title}  ({badge})", area.slug);
        if rules.form == PathForm::Opaque {
            line += "  opaque paths";
        }
        if rules.case_sensitive {
            line += "  case-sensitive";
        }
        output.line(&line)?;
        for route in rules.routes() {
            let is_old = route.pattern().has_old_parameter();
            has_old_parameters |= is_old;
            let mark = if is_old { "  (literal)" } else { "" };
            output.line(&format!("    {}{mark}", visible(&route.to_string())))?;
        }
    }
    if has_old_parameters {
        output::print_notice(
            "A route marked (literal) has a segment such as :id, which stands for itself and not for any segment. If it was meant as a parameter, replace the route: `claviger area edit AREA --remove-route ROUTE --route ROUTE`, with * in its place.",
        );
    }
    Ok(())
}
