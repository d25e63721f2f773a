//! Handles intents in the choice of an agent, and opens the wizard for a new key.
use crate::{
    domain::listing::Direction,
    tui::{
        agents::{AgentChoice, AgentChoicePurpose},
        keymap::Intent,
        message::Effect,
        model::{Model, Placement},
        wizard::Wizard,
    },
};

pub(super) fn on_agents(model: &mut Model, intent: Intent) -> Option<Effect> {
    let choice = model.top_mut::<AgentChoice>()?;
    match intent {
        Intent::Up => choice.walk(false),
        Intent::Down => choice.walk(true),
        Intent::Accept => {
            let chosen = choice.choices.get(choice.at)?.clone();
            let purpose = choice.purpose;
            model.modals.pop();
            if purpose == AgentChoicePurpose::NewKey {
                let wizard = Wizard::new_key().under(model.policy).of_agent(chosen);
                model.open(wizard);
                return None;
            }
            if model.list.agent == chosen {
                return None;
            }
            model.list.agent = chosen;
            // A mark that is no longer visible must not be acted on.
            model.list.marks.clear();
            return Some(model.load(Direction::First, Placement::Top));
        }
        _ => {}
    }
    None
}

/// Opens the wizard for a new key, or first the choice of an agent if several are possible.
pub(super) fn new_key(model: &mut Model) {
    match (&model.list.agent, model.agents.as_slice()) {
        (None, [_, _, ..]) => model.open(AgentChoice::for_new_key(&model.agents)),
        (agent, _) => {
            let wizard = Wizard::new_key().under(model.policy);
            model.open(wizard.of_agent(agent.clone()));
        }
    }
}
