//! The appearance of the interface: the sixteen colours of the terminal's palette on its own
//! background, attributes where colours are not wanted, and ASCII where nothing else can be shown.
//!
//! Every state is first a word or a symbol; colour only emphasizes it. To restyle something, change
//! it here: views ask for a role, never for a colour.
use ratatui::style::{Color, Modifier, Style};

use crate::domain::text::{visible, visible_ascii};

/// The settings for drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours may be used (`NO_COLOR` is unset or empty).
    pub colours: bool,
    /// Whether only ASCII may be written.
    pub ascii: bool,
}

impl Theme {
    /// Returns the theme for these environment variables: `NO_COLOR` (<https://no-color.org>), the
    /// encoding of the locale, and `TERM`.
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

    /// Returns text from users with unsafe characters made visible, in ASCII if the theme requires
    /// it.
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

    /// The style of the row or field that has the focus.
    #[must_use]
    pub fn focus(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The style of the selected row: plain where there are colours, because a marker is enough;
    /// reversed where there are none.
    #[must_use]
    pub fn selected(self) -> Style {
        if self.colours {
            Style::new()
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// The style of a button or a choice that has the focus.
    #[must_use]
    pub fn pressed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The style of headings and emphasized text.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of hints, labels and other secondary text.
    #[must_use]
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The style of failures and harmful actions.
    #[must_use]
    pub fn alarm(self) -> Style {
        self.coloured(Color::Red)
    }

    /// The style of text that needs attention, and of changes that widen access.
    #[must_use]
    pub fn warning(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// The style of successful results.
    #[must_use]
    pub fn success(self) -> Style {
        self.coloured(Color::Green)
    }
}

/// Returns the ASCII replacement for a symbol.
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
