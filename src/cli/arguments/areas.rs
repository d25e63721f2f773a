//! The arguments of `area`. Their comments are the help that users read.
use clap::{ArgGroup, Args, Subcommand};

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
    /// Change an area's title, badge or routes
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
'POST /invoices/search=read'.";
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
    /// A route to add; may be given several times
    #[arg(long = "route", value_name = "ROUTE", long_help = ROUTE_HELP)]
    pub routes: Vec<String>,
}

/// `area edit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["title", "badge", "routes", "remove_routes"]))]
pub struct AreaEditArguments {
    /// The area's short name
    pub slug: String,
    /// Its new title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// The new word that stands for it in lists
    #[arg(long, value_name = "TEXT")]
    pub badge: Option<String>,
    /// A route to add; may be given several times
    #[arg(long = "route", value_name = "ROUTE", long_help = ROUTE_HELP)]
    pub routes: Vec<String>,
    /// A route to remove, as `area list` shows it; may be given several times
    #[arg(long = "remove-route", value_name = "ROUTE")]
    pub remove_routes: Vec<String>,
}
