//! The shell of the terminal user interface: the terminal, the select loop and the effects.
//!
//! This module runs the event loop and spawns the tasks. Messages go into [`update::update`], and
//! the effects it returns run as tasks. A read that is no longer wanted is aborted; a write is
//! never aborted, and quitting waits for the writes. A frame is drawn when no message is waiting,
//! so that a burst of keys costs one frame, and every [`FRAME`] while keys keep coming. A dialog
//! does not receive keys that were already waiting when it opened.
pub mod agents;
pub mod approvals;
pub mod audit;
pub mod confirmation;
pub mod dialog;
pub mod effects;
pub mod explain;
pub mod hygiene;
pub mod keymap;
pub mod members;
pub mod message;
pub mod modal;
pub mod model;
pub mod palette;
pub mod read;
pub mod rows;
pub mod terminal;
pub mod texts;
pub mod theme;
pub mod token;
pub mod typing;
pub mod update;
pub mod usage;
pub mod view;
pub mod wizard;

use std::{
    collections::HashMap,
    future::ready,
    io::{self, Write as _},
    mem::{self, Discriminant},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use message::{Effect, Message};
use model::{Model, Placement};
use read::Read;
use terminal::{Input, Inputs, Signal, Signals, Terminal};
use theme::Theme;
use token::Revealed;
use tokio::{
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::{AbortHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use update::Burst;

use crate::{
    clipboard::{Clipboard, Environment},
    config::{Config, process_variable},
    domain::{listing::Direction, member::Role, text::visible},
    keyring::Keyring,
};

/// How often the store is polled for new changes, refusals and uses.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long the first frame waits for the first page.
const FIRST_PAGE_TIMEOUT: Duration = Duration::from_millis(150);
/// How long a frame waits for the details of the key under the cursor, or for an explanation.
/// Nearly always they arrive within this time, and one frame then shows everything.
const DETAILS_TIMEOUT: Duration = Duration::from_millis(5);

/// The longest time between two frames, and the shortest between two starts of reads, while keys
/// keep coming.
const FRAME: Duration = Duration::from_millis(40);
/// The maximum number of concurrent changes; no input is taken while that many are running.
const MOST_WRITES: usize = 32;

/// Runs the terminal user interface until it ends, and returns the exit status.
///
/// # Errors
/// Returns an error if the terminal cannot be taken over or written to.
pub async fn run(keyring: Keyring, config: &Config, warnings: &[String]) -> io::Result<u8> {
    let mut signals = Signals::listen()?;
    terminal::install_panic_hook();
    let mut shell = Shell::begin(keyring, config, warnings)?;
    let status = shell.run(&mut signals).await;
    terminal::restore();
    shell.end().await;
    if let Some(sentence) = &shell.model.exit_reason {
        // Standard error may be closed by now.
        let _ = writeln!(io::stderr(), "claviger: {}", visible(sentence));
        return status.map(|_| 1);
    }
    status
}

struct Shell {
    keyring: Arc<Keyring>,
    clipboard: Arc<Mutex<Clipboard>>,
    terminal: Terminal,
    inputs: Inputs,
    /// Characters that arrived together and are not fully processed yet.
    burst: Option<Burst>,
    answers: UnboundedReceiver<Message>,
    answer: UnboundedSender<Message>,
    writes: JoinSet<()>,
    /// The changes that are running: an equal change is not started a second time meanwhile.
    writing: Arc<std::sync::Mutex<Vec<Effect>>>,
    /// The newest read of each kind that starts with the next frame.
    wanted: HashMap<Discriminant<Read>, Effect>,
    /// The newest started read of each kind.
    reading: HashMap<Discriminant<Read>, AbortHandle>,
    /// When the last frame was drawn.
    drawn: Instant,
    looking: Option<AbortHandle>,
    /// Whether a key's details or an explanation were requested since the last frame.
    details_requested: bool,
    model: Model,
}

/// The next thing the loop handles.
enum Next {
    Input(Input),
    Burst,
    Message(Message),
    Drawn,
    Resumed,
    End(u8),
}

/// An action that the loop must perform itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShellAction {
    Suspend,
    Quit,
}

impl Shell {
    fn begin(keyring: Keyring, config: &Config, warnings: &[String]) -> io::Result<Self> {
        let terminal = Terminal::enter()?;
        let inputs = Inputs::listen()?;
        let (answer, answers) = unbounded_channel();
        let size = terminal.size()?;
        let mut model = Model::new(
            keyring.now(),
            (size.width, size.height),
            Theme::from_vars(process_variable),
            keyring.workspace().label.clone(),
            keyring.actor().to_string(),
        );
        model.is_member = keyring.is_members();
        if model.is_member {
            // The role is unknown until the first page is loaded.
            model.role = Role::Viewer;
        }
        if !warnings.is_empty() {
            model.report_error(warnings.join(" "));
        }
        let environment = Environment::of_session(model.is_member);
        let clipboard = Clipboard::new(environment, config.osc52);
        Ok(Self {
            keyring: Arc::new(keyring),
            clipboard: Arc::new(Mutex::new(clipboard)),
            terminal,
            inputs,
            burst: None,
            answers,
            answer,
            writes: JoinSet::new(),
            writing: Arc::default(),
            wanted: HashMap::new(),
            reading: HashMap::new(),
            drawn: Instant::now(),
            looking: None,
            details_requested: false,
            model,
        })
    }

    async fn run(&mut self, signals: &mut Signals) -> io::Result<u8> {
        let first = self.model.load(Direction::First, Placement::Top);
        self.start(first);
        if let Ok(Some(message)) = timeout(FIRST_PAGE_TIMEOUT, self.answers.recv()).await {
            self.take(message)?;
        }
        let mut seconds = interval(Duration::from_secs(1));
        let mut looks = interval(REFRESH_INTERVAL);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counting = false;
        loop {
            if self.is_time_to_draw() {
                self.start_reads();
                if mem::take(&mut self.details_requested)
                    && let Ok(Some(message)) = timeout(DETAILS_TIMEOUT, self.answers.recv()).await
                {
                    if self.take(message)? == Some(ShellAction::Quit) {
                        return Ok(0);
                    }
                    continue;
                }
                let model = &self.model;
                self.terminal.draw(|frame| view::view(model, frame))?;
                self.drawn = Instant::now();
            }
            if self.model.counts_down() != counting {
                counting = !counting;
                seconds.reset();
            }
            while self.writes.try_join_next().is_some() {}
            let may_go_on = self.writes.len() < MOST_WRITES;
            let next = tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Quit(number) => Next::End(u8::try_from(terminal::exit_status(number)).unwrap_or(1)),
                    Signal::Resumed => Next::Resumed,
                    Signal::Resized => {
                        let size = self.terminal.size()?;
                        Next::Message(Message::Resized(size.width, size.height))
                    }
                },
                Some(answer) = self.answers.recv() => Next::Message(answer),
                _ = seconds.tick(), if counting => Next::Message(Message::Ticked),
                _ = looks.tick() => {
                    self.look();
                    Next::Drawn
                }
                () = ready(()), if may_go_on && self.burst.is_some() => Next::Burst,
                input = self.inputs.next(), if may_go_on => Next::Input(input),
                _ = self.writes.join_next(), if !may_go_on => Next::Drawn,
            };
            let own = match next {
                Next::Drawn => None,
                Next::Resumed => {
                    self.terminal.resumed()?;
                    None
                }
                Next::End(status) => return Ok(status),
                Next::Message(message) => self.take(message)?,
                Next::Input(Input::HungUp) => return Ok(129),
                Next::Input(input) => self.take_inputs(input)?,
                Next::Burst => self.go_on()?,
            };
            match own {
                Some(ShellAction::Quit) => return Ok(0),
                Some(ShellAction::Suspend) => self.suspend(signals).await?,
                None => {}
            }
        }
    }

    /// Whether no input or answer is waiting, or a frame is due anyway.
    fn is_time_to_draw(&self) -> bool {
        let is_quiet = self.burst.is_none() && self.inputs.is_empty() && self.answers.is_empty();
        is_quiet || self.drawn.elapsed() >= FRAME
    }

    /// Processes an input and the inputs that are ready after it, until a frame is due.
    fn take_inputs(&mut self, first: Input) -> io::Result<Option<ShellAction>> {
        match self.take_input(first)? {
            None => self.go_on(),
            own => Ok(own),
        }
    }

    fn go_on(&mut self) -> io::Result<Option<ShellAction>> {
        let mut own = None;
        while own.is_none() && self.drawn.elapsed() < FRAME && self.writes.len() < MOST_WRITES {
            own = if self.burst.is_some() {
                self.take_burst()?
            } else if let Some(input) = self.inputs.pop_ready() {
                self.take_input(input)?
            } else {
                break;
            };
        }
        Ok(own)
    }

    fn take_input(&mut self, input: Input) -> io::Result<Option<ShellAction>> {
        self.model.ignores_burst &= self.inputs.continues();
        match input {
            Input::Paste(text) => self.take(Message::Pasted(text)),
            Input::Typed(..) | Input::Key(_) if self.model.ignores_burst && !is_way_out(&input) => {
                Ok(None)
            }
            Input::Key(key) => {
                let is_alone = !self.inputs.continues() && self.inputs.is_empty();
                self.model.ignores_burst |= !is_alone && update::is_stray(&self.model, key);
                self.take_key(key)
            }
            Input::Typed(text, entered) => {
                self.burst = Some(Burst::new(text, entered));
                self.take_burst()
            }
            Input::HungUp => Ok(None),
        }
    }

    /// Processes the next part of the current burst.
    fn take_burst(&mut self) -> io::Result<Option<ShellAction>> {
        let part = self.burst.as_mut().and_then(|it| it.next(&self.model));
        if let Some(message) = part {
            return self.take(message);
        }
        self.burst = None;
        Ok(None)
    }

    /// Processes a key press. Nothing is bound to Alt. On a slow link Esc and the key after it can
    /// arrive in one packet, which is also how a terminal sends Alt; so Alt with a character is
    /// treated as Esc followed by that character.
    fn take_key(&mut self, key: KeyEvent) -> io::Result<Option<ShellAction>> {
        let is_alt = key.modifiers.contains(KeyModifiers::ALT);
        if !(matches!(key.code, KeyCode::Char(_)) && is_alt) {
            return self.take(Message::Pressed(key));
        }
        let own = self.take(Message::Pressed(KeyCode::Esc.into()))?;
        if own.is_some() {
            return Ok(own);
        }
        let rest = KeyEvent::new(key.code, key.modifiers - KeyModifiers::ALT);
        self.take(Message::Pressed(rest))
    }

    async fn suspend(&mut self, signals: &mut Signals) -> io::Result<()> {
        self.terminal.suspend(signals).await?;
        let size = self.terminal.size()?;
        self.take(Message::Resized(size.width, size.height))?;
        Ok(())
    }

    /// Passes a message to the model and carries out or starts the resulting effect. Returns the
    /// action that the loop must perform itself, if any.
    fn take(&mut self, message: Message) -> io::Result<Option<ShellAction>> {
        self.model.now = self.keyring.now();
        let layer = self.model.layer();
        let effect = update::update(&mut self.model, message);
        if self.model.layer().was_opened_after(&layer) {
            // The waiting input was typed before the dialog was visible.
            self.inputs.discard_waiting();
            self.burst = None;
        }
        match effect {
            None => {}
            Some(Effect::Redraw) => self.terminal.redraw()?,
            Some(Effect::Save(_)) => {
                if let Some(revealed) = self.model.top::<Revealed>() {
                    let saved = effects::save(&revealed.shown);
                    let _ = self.answer.send(Message::Saved(saved));
                }
            }
            Some(Effect::Quit) => return Ok(Some(ShellAction::Quit)),
            Some(Effect::Suspend) => return Ok(Some(ShellAction::Suspend)),
            Some(Effect::Read(ticket, read)) => {
                let kind = mem::discriminant(&read);
                self.wanted.insert(kind, Effect::Read(ticket, read));
            }
            Some(effect) => self.start(effect),
        }
        Ok(None)
    }

    /// Starts the wanted reads, one of each kind; each aborts an older read of its kind.
    fn start_reads(&mut self) {
        for (_, effect) in mem::take(&mut self.wanted) {
            self.start(effect);
        }
    }

    /// Starts an effect as a task. A newer read aborts an older one of its kind. Writes always run
    /// to completion, and an equal write that is still running is not started again.
    fn start(&mut self, effect: Effect) {
        let read = match &effect {
            Effect::Read(_, read) => Some(read),
            _ => None,
        };
        self.details_requested |= matches!(read, Some(Read::KeyDetails(_) | Read::Explain(_)));
        let kind = read.map(mem::discriminant);
        let writing = Arc::clone(&self.writing);
        if kind.is_none() {
            let mut begun = lock(&writing);
            if begun.contains(&effect) {
                return;
            }
            begun.push(effect.clone());
        }
        let (keyring, clipboard) = (Arc::clone(&self.keyring), Arc::clone(&self.clipboard));
        let answer = self.answer.clone();
        let task = async move {
            let mut screen = terminal::Direct;
            let begun = kind.is_none().then(|| effect.clone());
            let messages = effects::carry_out(effect, &keyring, &clipboard, &mut screen).await;
            for message in messages {
                let _ = answer.send(message);
            }
            if let Some(begun) = begun {
                lock(&writing).retain(|effect| *effect != begun);
            }
        };
        if let Some(kind) = kind {
            let newer = tokio::spawn(task).abort_handle();
            if let Some(older) = self.reading.insert(kind, newer) {
                older.abort();
            }
        } else {
            self.writes.spawn(task);
        }
    }

    /// Polls the store for new changes, refusals and uses, unless the previous poll still runs.
    fn look(&mut self) {
        if self
            .looking
            .as_ref()
            .is_some_and(|looking| !looking.is_finished())
        {
            return;
        }
        let (keyring, answer, known) = (
            Arc::clone(&self.keyring),
            self.answer.clone(),
            self.model.list.list_version,
        );
        let task = async move {
            match keyring.list_version().await {
                Ok(list_version) if list_version != known => {
                    let _ = answer.send(Message::ListVersionRead(list_version));
                }
                Err(error) if error.is_expulsion() => {
                    let _ = answer.send(Message::Expelled(error.to_string()));
                }
                // The user's next change will report any problem with the store.
                Ok(_) | Err(_) => {}
            }
        };
        self.looking = Some(tokio::spawn(task).abort_handle());
    }

    /// Aborts the reads, waits for the writes, and clears a copied token from the native clipboard.
    async fn end(&mut self) {
        for read in self.reading.values() {
            read.abort();
        }
        while self.writes.join_next().await.is_some() {}
        self.clipboard.lock().await.clear_if_ours().await;
        self.keyring.close().await;
    }
}

/// Whether the input is a key that no paste contains and that leaves any place: Esc or Ctrl with a
/// key.
fn is_way_out(input: &Input) -> bool {
    match input {
        Input::Key(key) => {
            key.code == KeyCode::Esc || key.modifiers.contains(KeyModifiers::CONTROL)
        }
        Input::Typed(..) | Input::Paste(_) | Input::HungUp => false,
    }
}

fn lock(writing: &std::sync::Mutex<Vec<Effect>>) -> MutexGuard<'_, Vec<Effect>> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}
