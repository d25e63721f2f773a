//! Routes map a request's method and path to an area and an action, or to nothing.
//!
//! The area follows from the path alone, through the most specific pattern that applies to it, or
//! it is a constant of the gateway. The action follows from the method, unless a route of that area
//! specifies another. A path that programs could read as one of another area leads to nothing.
mod ambiguity;
mod method;
mod path;
mod path_rules;
mod pattern;
mod readings;
mod rule;
mod table;

pub use method::Method;
pub use path::RequestPath;
pub use path_rules::{PathForm, PathRules};
pub use pattern::Pattern;
pub use rule::{Route, RouteError};
pub use table::Routes;

use super::access::AreaSlug;

/// How an endpoint selects the area: it is a constant of the gateway's own location, or follows
/// from the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AreaSelector {
    /// The given area.
    Area(AreaSlug),
    /// The area that the path leads to.
    Path,
}
