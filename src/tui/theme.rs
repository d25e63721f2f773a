//! What things look like: the sixteen colours of the terminal's own palette and its own
//! background, attributes where colours are not wanted, ASCII where nothing else can be shown.
//!
//! Every state is a word or a symbol first; colour only underlines it. To restyle something,
//! change it here: views ask for a role, never for a colour.
use ratatui::style::{Color, Modifier, Style};

use crate::domain::text::{visible, visible_ascii};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours may be used (`NO_COLOR` is not set).
    pub colours: bool,
    /// Whether only ASCII may be written.
    pub ascii: bool,
}

impl Theme {
    /// The theme that these variables ask for: <https://no-color.org>, and the locale's encoding.
    #[must_use]
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name| variable(name).filter(|value| !value.is_empty());
        let locale = value("LC_ALL")
            .or_else(|| value("LC_CTYPE"))
            .or_else(|| value("LANG"));
        let named_otherwise = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            !locale.contains("utf-8") && !locale.contains("utf8")
        });
        let simple = value("TERM").is_some_and(|term| term == "linux" || term.starts_with("vt1"));
        Self {
            colours: value("NO_COLOR").is_none(),
            ascii: named_otherwise || simple,
        }
    }

    /// Text from people, as it may be shown here.
    #[must_use]
    pub fn shown(self, text: &str) -> String {
        if self.ascii {
            visible_ascii(text)
        } else {
            visible(text)
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// The row or field that has the keys.
    #[must_use]
    pub fn focus(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The selected row: a marker is enough where there are colours; without them the whole row
    /// is reversed.
    #[must_use]
    pub fn selected(self) -> Style {
        if self.colours {
            Style::new()
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// A button or a choice that has the focus.
    #[must_use]
    pub fn pressed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Headings and what stands out.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Hints, labels, what may be overlooked.
    #[must_use]
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What went wrong, or will hurt.
    #[must_use]
    pub fn alarm(self) -> Style {
        self.coloured(Color::Red)
    }

    /// What deserves a look, or widens.
    #[must_use]
    pub fn warning(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// What went well.
    #[must_use]
    pub fn success(self) -> Style {
        self.coloured(Color::Green)
    }
}

/// What stands for a symbol where only ASCII can be shown.
#[must_use]
pub fn ascii_for(symbol: &str) -> &'static str {
    match symbol {
        "▸" | "→" | "›" => ">",
        "‹" => "<",
        "●" | "•" => "*",
        "·" => ".",
        "…" => "~",
        "↓" => "v",
        "↑" => "^",
        "─" | "▃" | "▄" => "-",
        "│" => "|",
        "╭" | "╮" | "╰" | "╯" => "+",
        "×" => "x",
        "▁" | "▂" => "_",
        "▅" | "▆" => "=",
        "▇" | "█" => "#",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(set: &[(&str, &str)]) -> Theme {
        Theme::from_vars(|name| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_surroundings_choose() {
        assert_eq!(
            theme(&[("LANG", "en_US.UTF-8")]),
            Theme {
                colours: true,
                ascii: false
            }
        );
        assert_eq!(
            theme(&[]),
            Theme {
                colours: true,
                ascii: false
            }
        );
        assert!(!theme(&[("NO_COLOR", "1")]).colours);
        assert!(theme(&[("LANG", "C")]).ascii);
        assert!(!theme(&[("LANG", "C"), ("LC_ALL", "C.UTF-8")]).ascii);
        assert!(theme(&[("TERM", "vt100")]).ascii);
    }
}
