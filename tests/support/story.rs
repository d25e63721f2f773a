//! The environment for stories told in keys: the real update and view on a real keyring over a real
//! file, with a fixed clock and effects that run inline. No sleeps, no mocks.
use std::collections::VecDeque;

use claviger::{
    clipboard::{Clipboard, Environment},
    domain::{
        agent::AgentScope,
        audit::{Change, EventCursor, EventFilter},
        key::Draft,
        listing::Direction,
        location::{DatabaseLocation, MasterKeyLocation},
        member::{MemberDraft, MemberId, Role, SshKey},
        moment::Moment,
    },
    keyring::Keyring,
    machine::Machine,
    tui::{
        effects,
        message::{Effect, Message},
        model::{Model, Placement},
        theme::Theme,
        update::update,
        view::view,
    },
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, style::Modifier};
use tokio::{runtime::Runtime, sync::Mutex};

/// 2026-11-23T07:00:00Z in milliseconds, the time of every story.
pub const NOW: i64 = 1_795_417_200_000;

/// A terminal, a keyring, and a user who presses keys.
pub struct Story {
    pub model: Model,
    pub keyring: Keyring,
    /// The effects for the shell itself: quit, redraw, suspend.
    pub shell: Vec<Effect>,
    clipboard: Mutex<Clipboard>,
    /// The bytes written to the terminal outside the screen: clipboard sequences.
    pub sent: Vec<u8>,
    terminal: Terminal<TestBackend>,
    runtime: Runtime,
    folder: tempfile::TempDir,
}

impl Story {
    /// Starts a story with a new workspace on a terminal of this size.
    pub fn at(width: u16, height: u16) -> Self {
        Self::with(
            width,
            height,
            Theme {
                colours: true,
                ascii: false,
            },
            &[("TERM", "xterm"), ("SSH_TTY", "/dev/pts/1")],
        )
    }

    /// Does the same with a theme and with environment variables for the clipboard.
    pub fn with(width: u16, height: u16, theme: Theme, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let keyring = runtime.block_on(open(folder.path(), "alice@gw1"));
        let environment = Environment::from_vars(|name| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        let mut story = Self {
            model: Model::new(
                keyring.now(),
                (width, height),
                theme,
                "PROD".into(),
                keyring.actor().to_string(),
            ),
            keyring,
            shell: Vec::new(),
            clipboard: Mutex::new(Clipboard::new(environment, true)),
            sent: Vec::new(),
            terminal: Terminal::new(TestBackend::new(width, height)).expect("a terminal"),
            runtime,
            folder,
        };
        let first = story.model.load(Direction::First, Placement::Top);
        story.carry_out(first);
        story
    }

    /// Continues as a new member with this role, who signed in over SSH.
    pub fn sign_in(&mut self, role: Role) -> MemberId {
        let folder = self.folder.path();
        let (keyring, id) = self.runtime.block_on(async {
            let draft = member("carol", role, 0);
            let id = self.keyring.add_member(&draft).await.expect("added").id;
            let opened = open(folder, "keys@gw1").await;
            let signed_in = opened.sign_in(id.clone(), None).await;
            (signed_in.expect("signed in"), id)
        });
        self.model.is_member = true;
        self.model.actor = keyring.actor().to_string();
        self.keyring = keyring;
        self.refresh();
        id
    }

    /// Opens another session on the same file, in another person's name.
    pub fn someone_else(&self, name: &str) -> Keyring {
        self.runtime.block_on(open(self.folder.path(), name))
    }

    /// Opens another session on the same file, whose clock is a number of days in the past.
    pub fn days_ago(&self, days: i64) -> Keyring {
        let then = Moment::from_millis(NOW - days * claviger::domain::moment::DAY);
        let actor = format!("alice {days} days ago");
        self.runtime
            .block_on(open_at(self.folder.path(), &actor, then))
    }

    /// Waits for a future of another session.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Creates a key without the screen.
    pub fn given(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Draft),
    ) -> claviger::domain::key::Key {
        let mut draft = draft(name);
        change(&mut draft);
        let created = self
            .runtime
            .block_on(self.keyring.create(None, draft))
            .expect("created");
        self.refresh();
        self.runtime
            .block_on(self.keyring.key(&created.key.id))
            .expect("there")
    }

    /// Does what the program does each second after a change or a refusal elsewhere.
    pub fn refresh(&mut self) {
        let list_version = self
            .runtime
            .block_on(self.keyring.list_version())
            .expect("an edition");
        self.happen(Message::ListVersionRead(list_version));
    }

    /// Presses keys: characters as they are, `<enter>`, `<tab>`, `<c-u>` and so on by name.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let named = rest.strip_prefix('<').and_then(|r| r.split_once('>'));
            let event = match named {
                Some((name, after)) if !name.is_empty() && !name.contains(' ') => {
                    rest = after;
                    named_key(name)
                }
                _ => {
                    rest = &rest[c.len_utf8()..];
                    KeyCode::Char(c).into()
                }
            };
            self.happen(Message::Pressed(event));
        }
        self
    }

    /// Pastes a text.
    pub fn paste(&mut self, text: &str) -> &mut Self {
        self.happen(Message::Pasted(text.to_owned()));
        self
    }

    /// Sends a message to the model, and runs the effects that follow.
    pub fn happen(&mut self, message: Message) {
        self.model.now = self.keyring.now();
        if let Some(effect) = update(&mut self.model, message) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let mut effects = VecDeque::from([effect]);
        while let Some(effect) = effects.pop_front() {
            let own = effect.clone();
            let carried =
                effects::carry_out(effect, &self.keyring, &self.clipboard, &mut self.sent);
            let messages = self.runtime.block_on(carried);
            if messages.is_empty() {
                self.shell.push(own);
            }
            for message in messages {
                effects.extend(update(&mut self.model, message));
            }
        }
    }

    /// Resizes the terminal.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        self.happen(Message::Resized(width, height));
    }

    /// Draws the screen, and checks that a text is on it.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "without {text:?}:\n{screen}");
    }

    /// Draws the screen, and checks that a text is not on it.
    #[track_caller]
    pub fn hides(&mut self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "with {text:?}:\n{screen}");
    }

    /// Draws the screen; returns its text without trailing spaces.
    pub fn screen(&mut self) -> String {
        let model = &self.model;
        self.terminal
            .draw(|frame| view(model, frame))
            .expect("drawn");
        let buffer = self.terminal.backend().buffer();
        let lines: Vec<String> = (0..buffer.area.height)
            .map(|y| {
                let mut line = String::new();
                let mut skip = 0;
                for x in 0..buffer.area.width {
                    if skip > 0 {
                        skip -= 1;
                        continue;
                    }
                    let symbol = buffer[(x, y)].symbol();
                    line.push_str(symbol);
                    skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                }
                line.trim_end().to_owned()
            })
            .collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// Returns the content of a snapshot: the screen, the position of the cursor, and the reversed
    /// text.
    pub fn snapshot(&mut self) -> String {
        let screen = self.screen();
        let cursor = self.cursor();
        let buffer = self.terminal.backend().buffer();
        let reversed: String = buffer
            .content
            .iter()
            .filter(|cell| cell.modifier.contains(Modifier::REVERSED))
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        let reversed = reversed.split_whitespace().collect::<Vec<_>>().join(" ");
        format!(
            "{screen}\n---\ncursor {},{}; reversed [{reversed}]",
            cursor.0, cursor.1
        )
    }

    /// Returns the cursor's column and row, counted from 0.
    pub fn cursor(&mut self) -> (u16, u16) {
        self.screen();
        let position = self.terminal.get_cursor_position().expect("a position");
        (position.x, position.y)
    }

    /// Draws the screen; returns its cells.
    pub fn buffer(&mut self) -> &ratatui::buffer::Buffer {
        self.screen();
        self.terminal.backend().buffer()
    }

    /// Returns the changes in the audit log so far.
    pub fn audit(&self) -> Vec<&'static str> {
        let events = self
            .runtime
            .block_on(
                self.keyring
                    .events(&EventFilter::default(), EventCursor::After(0), 1000),
            )
            .expect("events");
        events
            .iter()
            .map(|event| event.draft.change)
            .map(Change::word)
            .collect()
    }
}

async fn open(folder: &std::path::Path, actor: &str) -> Keyring {
    open_at(folder, actor, Moment::from_millis(NOW)).await
}

async fn open_at(folder: &std::path::Path, actor: &str, now: Moment) -> Keyring {
    let location = DatabaseLocation::File(folder.join("claviger.db"));
    let master_key = MasterKeyLocation::File(folder.join("master-key"));
    // Each session gets random numbers of its own, or two would draw the same ids.
    let machine = Machine::fixed(now, actor);
    for _ in 0..actor.bytes().map(usize::from).sum::<usize>() % 97 {
        let _ = machine.draw_hex(32);
    }
    Keyring::open(&location, master_key, machine)
        .await
        .expect("a keyring")
}

/// Public keys whose private halves do not exist.
pub const SSH_KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti laptop",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA desk",
];

/// A member with the SSH key of the given number.
pub fn member(name: &str, role: Role, key: usize) -> MemberDraft {
    MemberDraft {
        name: name.parse().expect("a name"),
        role,
        scope: AgentScope::Everything,
        keys: vec![SshKey::parse(SSH_KEYS[key], 1).expect("a key")],
    }
}

/// A draft with only a name.
pub fn draft(name: &str) -> Draft {
    crate::draft::draft(name, "", &[])
}

fn named_key(name: &str) -> KeyEvent {
    if let Some(letter) = name.strip_prefix("c-") {
        let letter = letter.chars().next().expect("a letter");
        return KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    }
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "s-tab" => KeyCode::BackTab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "delete" => KeyCode::Delete,
        "backspace" => KeyCode::Backspace,
        "space" => KeyCode::Char(' '),
        other => panic!("no key is called <{other}>"),
    };
    code.into()
}
