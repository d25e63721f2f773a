//! Draws the choice of an agent.
use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    footer,
    sheet::{self, Sheet},
};
use crate::{
    domain::text::fitted,
    tui::{
        agents::{AgentChoice, AgentChoicePurpose},
        model::Model,
    },
};

pub(super) fn agents(model: &Model, choice: &AgentChoice, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let line = |(at, agent): (usize, &Option<crate::domain::agent::AgentName>)| {
        let name = agent.as_ref().map_or("all agents", |name| name.as_str());
        let shown = *agent == model.list.agent && choice.purpose == AgentChoicePurpose::Shown;
        let mark = if shown { "  (shown now)" } else { "" };
        let (marker, style) = if at == choice.at {
            ("▸ ", theme.focus())
        } else {
            ("  ", Style::new())
        };
        let text = fitted(&format!("{marker}{name}{mark}"), room);
        Line::styled(text.trim_end().to_owned(), style)
    };
    let workspace = theme.shown(&model.workspace);
    Sheet {
        title: match choice.purpose {
            AgentChoicePurpose::Shown => format!("Whose keys in {workspace}?").into(),
            AgentChoicePurpose::NewKey => {
                format!("New API key in {workspace}: for which agent?").into()
            }
        },
        corner: String::new(),
        lines: choice.choices.iter().enumerate().map(line).collect(),
        focus: (choice.at, 0),
        hint: footer::border(model),
        ..Sheet::default()
    }
}
