//! The arguments of `area`. Their comments are the help that users read.
use clap::{ArgGroup, Args, Subcommand};

use crate::domain::{route::PathForm, text::visible};

/// `area`.
#[derive(Debug, Args)]
pub struct AreaArguments {
    /// What to do with the areas
    #[command(subcommand)]
    pub command: AreaCommand,
}

/// What can be done with access areas.
#[derive(Debug, Subcommand)]
pub enum AreaCommand {
    /// Add an area; a running endpoint knows it at once
    Add(AreaAddArguments),
    /// List the areas with their routes
    List,
    /// Change an area's title, badge, routes or rules about paths
    Edit(AreaEditArguments),
    /// Remove an area in which no key has grants
    Remove {
        /// The area's short name
        slug: String,
    },
}

const ROUTE_HELP: &str = "A route to add; may be given several times

A path such as /invoices leads to the area with all paths below it, whatever the method. \
METHOD PATH=ACTION does the same, and says which action that method means on it, such as \
'POST /invoices/search=read' or 'PROPFIND /dav=read'. A segment * stands for any one segment \
(/v1/orgs/*/contacts), and *:VERB for one that ends in that custom verb (/v1/jobs/*:cancel). The \
route with more segments wins, and then the one with a name where the other has a *.";
const PATHS_HELP: &str = "What paths may look like: strict or opaque

Strict paths are those that all programs read alike. With opaque, what follows the segments of a \
route may have any form that cannot leave it: escaped slashes and percent signs, semicolons, empty \
segments, other characters. It is for APIs such as GitLab's, npm's, RabbitMQ's or an object store's. \
No route of another area may then lie at, above or below one of these, and none may name a method.";
const CASE_HELP: &str =
    "Whether the API distinguishes upper and lower case in these paths: yes or no

With no, which is the default, a path is refused that would lead further in, to another area or to \
another action, if it was compared without case. It is enough if one of the two areas says yes.";

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(format!("{} is neither yes nor no", visible(other))),
    }
}

fn path_form(text: &str) -> Result<PathForm, String> {
    let unknown = || {
        format!(
            "{} is no form of paths: write strict or opaque",
            visible(text)
        )
    };
    PathForm::from_word(text).ok_or_else(unknown)
}

/// `area add`.
#[derive(Debug, Args)]
pub struct AreaAddArguments {
    /// Its short name: 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit
    pub slug: String,
    /// Its title, such as "Invoice Access"
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The word that stands for it in lists, such as Invoices
    #[arg(long, value_name = "TEXT")]
    pub badge: Option<String>,
    #[command(flatten)]
    pub rules: PathArguments,
}

/// The rules of an area about paths.
#[derive(Debug, Args)]
pub struct PathArguments {
    /// A route to add; may be given several times
    #[arg(long = "route", value_name = "ROUTE", long_help = ROUTE_HELP)]
    pub routes: Vec<String>,
    /// What paths may look like: strict or opaque
    #[arg(long = "paths", value_name = "FORM", value_parser = path_form, long_help = PATHS_HELP)]
    pub paths: Option<PathForm>,
    /// Whether the API distinguishes upper and lower case in these paths: yes or no
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no, long_help = CASE_HELP)]
    pub case_sensitive: Option<bool>,
}

/// `area edit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["title", "badge", "routes", "remove_routes", "paths", "case_sensitive"]))]
pub struct AreaEditArguments {
    /// The area's short name
    pub slug: String,
    /// Its new title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The new word that stands for it in lists
    #[arg(long, value_name = "TEXT")]
    pub badge: Option<String>,
    #[command(flatten)]
    pub rules: PathArguments,
    /// A route to remove, as `area list` shows it; may be given several times
    #[arg(long = "remove-route", value_name = "ROUTE")]
    pub remove_routes: Vec<String>,
}
