//! The shell of the terminal user interface: terminal, select loop, effects.
//!
//! The only async file of it. Messages go into [`update::update`], effects come out and run as
//! tasks; a read that is no longer wanted is aborted, a write never is, and quitting waits for
//! them. Frames are drawn when no message is waiting, so that a burst of keys costs one frame.
pub mod access;
pub mod agents;
pub mod audit;
pub mod confirmation;
pub mod dialog;
pub mod effects;
pub mod hygiene;
pub mod keymap;
pub mod members;
pub mod message;
pub mod model;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
pub mod wizard;

use std::{
    collections::HashMap,
    io::{self, Write as _},
    mem::{self, Discriminant},
    sync::Arc,
    time::Duration,
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use message::{Effect, Message};
use model::{Expect, Model};
use terminal::{Input, Signal, Signals, Terminal};
use theme::Theme;
use tokio::{
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    clipboard::{Clipboard, Environment},
    config::{Config, process_variable},
    domain::{listing::Direction, member::Role, text::visible},
    keyring::Keyring,
};

/// How often the store is asked whether somebody else changed something, or something was refused.
const LOOK: Duration = Duration::from_secs(1);
/// How long the first frame waits for the first page.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long a frame waits for what the details tell of the key that the cursor came to, and for an
/// explanation: nearly always they are there at once, and then one frame shows all of it.
const SOON: Duration = Duration::from_millis(5);

/// Runs the terminal user interface to its end; answers the exit status.
///
/// # Errors
/// When the terminal cannot be taken over or written to.
pub async fn run(keyring: Keyring, config: &Config, warnings: &[String]) -> io::Result<u8> {
    let mut signals = Signals::listen()?;
    terminal::install_panic_hook();
    let mut shell = Shell::begin(keyring, config, warnings)?;
    let status = shell.run(&mut signals).await;
    terminal::restore();
    shell.end().await;
    if let Some(sentence) = &shell.model.parting {
        // Nobody may be there to read it.
        let _ = writeln!(io::stderr(), "claviger: {}", visible(sentence));
        return status.map(|_| 1);
    }
    status
}

struct Shell {
    keyring: Arc<Keyring>,
    clipboard: Arc<Mutex<Clipboard>>,
    terminal: Terminal,
    inbox: UnboundedReceiver<Input>,
    answers: UnboundedReceiver<Message>,
    answer: UnboundedSender<Message>,
    writes: JoinSet<()>,
    /// The newest read of each kind.
    reading: HashMap<Discriminant<Effect>, AbortHandle>,
    looking: Option<AbortHandle>,
    /// Whether what the details tell, or an explanation, was asked for since the last frame.
    regarding: bool,
    model: Model,
}

/// What the loop goes on with.
enum Next {
    Messages(Vec<Message>),
    Drawn,
    Suspended,
    End(u8),
}

impl Shell {
    fn begin(keyring: Keyring, config: &Config, warnings: &[String]) -> io::Result<Self> {
        let terminal = Terminal::enter()?;
        let inbox = Input::listen()?;
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
            // Until it is read what they may do.
            model.role = Role::Viewer;
        }
        if !warnings.is_empty() {
            model.complain(warnings.join(" "));
        }
        let environment = if model.is_member {
            Environment::from_env().of_a_member()
        } else {
            Environment::from_env()
        };
        let clipboard = Clipboard::new(environment, config.osc52);
        Ok(Self {
            keyring: Arc::new(keyring),
            clipboard: Arc::new(Mutex::new(clipboard)),
            terminal,
            inbox,
            answers,
            answer,
            writes: JoinSet::new(),
            reading: HashMap::new(),
            looking: None,
            regarding: false,
            model,
        })
    }

    async fn run(&mut self, signals: &mut Signals) -> io::Result<u8> {
        let first = self.model.load(Direction::First, Expect::Top);
        self.start(first);
        if let Ok(Some(message)) = timeout(PATIENCE, self.answers.recv()).await {
            self.take(message)?;
        }
        let mut seconds = interval(Duration::from_secs(1));
        let mut looks = interval(LOOK);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counting = false;
        loop {
            if self.inbox.is_empty() && self.answers.is_empty() {
                if mem::take(&mut self.regarding)
                    && let Ok(Some(message)) = timeout(SOON, self.answers.recv()).await
                {
                    if self.take(message)? == Some(Effect::Quit) {
                        return Ok(0);
                    }
                    continue;
                }
                let model = &self.model;
                self.terminal.draw(|frame| view::view(model, frame))?;
            }
            if self.model.counts_down() != counting {
                counting = !counting;
                seconds.reset();
            }
            let next = tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Quit(number) => Next::End(u8::try_from(terminal::exit_status(number)).unwrap_or(1)),
                    Signal::Resumed => Next::Suspended,
                    Signal::Resized => {
                        let size = self.terminal.size()?;
                        Next::Messages(vec![Message::Resized(size.width, size.height)])
                    }
                },
                input = self.inbox.recv() => match input {
                    None | Some(Input::HungUp) => Next::End(129),
                    Some(Input::Event(event)) => Next::Messages(read_event(event)),
                },
                Some(answer) = self.answers.recv() => Next::Messages(vec![answer]),
                _ = seconds.tick(), if counting => Next::Messages(vec![Message::Ticked(self.keyring.now())]),
                _ = looks.tick() => {
                    self.look();
                    Next::Drawn
                }
            };
            match next {
                Next::Drawn => {}
                Next::Suspended => self.terminal.resumed()?,
                Next::End(status) => return Ok(status),
                Next::Messages(messages) => {
                    for message in messages {
                        match self.take(message)? {
                            Some(Effect::Quit) => return Ok(0),
                            Some(Effect::Suspend) => self.suspend(signals).await?,
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    async fn suspend(&mut self, signals: &mut Signals) -> io::Result<()> {
        self.terminal.suspend(signals).await?;
        let size = self.terminal.size()?;
        self.take(Message::Resized(size.width, size.height))?;
        Ok(())
    }

    /// Takes a message in; answers an effect that is the loop's own.
    fn take(&mut self, message: Message) -> io::Result<Option<Effect>> {
        self.model.now = self.keyring.now();
        match update::update(&mut self.model, message) {
            None => Ok(None),
            Some(Effect::Redraw) => {
                self.terminal.redraw()?;
                Ok(None)
            }
            Some(Effect::Save(_)) => {
                if let Some(dialog::Modal::Revealed(revealed)) = self.model.modals.last() {
                    let saved = effects::save(&revealed.shown);
                    let _ = self.answer.send(Message::Saved(saved));
                }
                Ok(None)
            }
            Some(effect @ (Effect::Quit | Effect::Suspend)) => Ok(Some(effect)),
            Some(effect) => {
                self.start(effect);
                Ok(None)
            }
        }
    }

    /// Starts an effect as a task. A newer read ends an older one; writes go on to their end.
    fn start(&mut self, effect: Effect) {
        let kind = mem::discriminant(&effect);
        let reads = effect.only_reads();
        self.regarding |= matches!(effect, Effect::Regard(_) | Effect::Explain(..));
        let (keyring, clipboard) = (Arc::clone(&self.keyring), Arc::clone(&self.clipboard));
        let answer = self.answer.clone();
        let task = async move {
            let mut screen = terminal::Direct;
            if let Some(message) =
                effects::carry_out(effect, &keyring, &clipboard, &mut screen).await
            {
                let _ = answer.send(message);
            }
        };
        if reads {
            let newer = tokio::spawn(task).abort_handle();
            if let Some(older) = self.reading.insert(kind, newer) {
                older.abort();
            }
        } else {
            // Those that have ended are let go of.
            while self.writes.try_join_next().is_some() {}
            self.writes.spawn(task);
        }
    }

    /// Asks whether somebody else changed something, or something was refused, unless the last asking
    /// still waits.
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
            self.model.list.edition,
        );
        let task = async move {
            if let Some(sentence) = keyring.unkept() {
                let _ = answer.send(Message::Warned(sentence));
            }
            match keyring.edition().await {
                Ok(edition) if edition != known => {
                    let _ = answer.send(Message::EditionRead(edition));
                }
                Err(error) if error.is_expulsion() => {
                    let _ = answer.send(Message::Expelled(error.to_string()));
                }
                // The next change of the person's own will say what is wrong with the store.
                Ok(_) | Err(_) => {}
            }
        };
        self.looking = Some(tokio::spawn(task).abort_handle());
    }

    /// Waits for the writes and for no read, and takes a copied token off the native clipboard.
    async fn end(&mut self) {
        for read in self.reading.values() {
            read.abort();
        }
        while self.writes.join_next().await.is_some() {}
        self.clipboard.lock().await.clear_if_ours().await;
        self.keyring.close().await;
    }
}

/// What an event means. Nothing is bound to Alt, and on a slow link Esc and the key after it come
/// in one packet, which is also how Alt is sent: so it is Esc and that key.
fn read_event(event: Event) -> Vec<Message> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Event::Key(key)
            if matches!(key.code, KeyCode::Char(_))
                && key.modifiers.contains(KeyModifiers::ALT) =>
        {
            let rest = KeyEvent::new(key.code, key.modifiers - KeyModifiers::ALT);
            vec![
                Message::Pressed(KeyCode::Esc.into()),
                Message::Pressed(rest),
            ]
        }
        Event::Key(key) => vec![Message::Pressed(key)],
        Event::Paste(text) => vec![Message::Pasted(text)],
        Event::Resize(columns, rows) => vec![Message::Resized(columns, rows)],
        _ => Vec::new(),
    }
}
