//! `area`: lists, adds, changes and removes access areas and their routes.
use serde_json::{Value, json};

use super::{
    AreaCommand, Failure,
    arguments::{AreaAddArguments, AreaEditArguments},
    output::{self, Output, brief},
    refused,
};
use crate::{
    domain::{
        access::{Area, AreaSlug},
        route::Route,
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

fn routes(texts: &[String]) -> Result<Vec<Route>, Failure> {
    texts
        .iter()
        .map(|text| text.parse().map_err(refused))
        .collect()
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
    let routes = routes(&arguments.routes)?;
    let new = DefinedArea::new(Area { slug, title, badge }, routes);
    output.recorded(keyring.add_area(&new).await?);
    done(&new, "Access area added.", output)
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
    let mut kept = seen.routes().to_vec();
    for gone in routes(&arguments.remove_routes)? {
        let at = kept.iter().position(|route| *route == gone);
        let at = at.ok_or_else(|| {
            let slug = &area.slug;
            refused(format!(
                "{slug} has no route {gone}: `claviger area list` shows its routes"
            ))
        })?;
        kept.remove(at);
    }
    kept.extend(routes(&arguments.routes)?);
    let edited = DefinedArea::new(area, kept);
    let sentence = if output.recorded(keyring.edit_area(&seen, &edited).await?) {
        "Access area updated."
    } else {
        "The access area was like that already."
    };
    done(&edited, sentence, output)
}

async fn remove(keyring: &Keyring, name: &str, output: &mut Output) -> Result<(), Failure> {
    let seen = keyring.defined_area(&slug(name)?).await?;
    output.recorded(keyring.remove_area(&seen).await?);
    if output.json {
        return output.json(&json!({ "slug": seen.area.slug.as_str(), "removed": true }));
    }
    output::print_notice("Access area removed.");
    Ok(())
}

fn done(area: &DefinedArea, sentence: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&as_json(area));
    }
    output::print_notice(sentence);
    if area.routes().is_empty() {
        let slug = &area.area.slug;
        output::print_notice(&format!(
            "It has no route yet: an endpoint finds it at /authorize/{slug} only."
        ));
    }
    Ok(())
}

fn as_json(defined: &DefinedArea) -> Value {
    let routes: Vec<String> = defined.routes().iter().map(ToString::to_string).collect();
    json!({
        "slug": defined.area.slug.as_str(),
        "title": defined.area.title,
        "badge": defined.area.badge,
        "routes": routes,
    })
}

async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let areas = keyring.defined_areas().await?;
    if output.json {
        return output.json(&areas.iter().map(as_json).collect());
    }
    for defined in &areas {
        let area = &defined.area;
        let (title, badge) = (brief(&area.title), brief(&area.badge));
        output.line(&format!("{}  {title}  ({badge})", area.slug))?;
        for route in defined.routes() {
            output.line(&format!("    {}", visible(&route.to_string())))?;
        }
    }
    Ok(())
}
