//! The endpoint as a service: the signals that it gets, the settings that it reads again, and what it
//! tells the service manager.
use std::{io, io::IsTerminal as _, time::Duration};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::{Config, Serve, ServeSettings},
    machine,
};

/// The settings of an endpoint, and where they come from.
#[derive(Debug)]
pub struct Service {
    config: Config,
    flags: ServeSettings,
    pub(super) serve: Serve,
}

impl Service {
    /// Gathers the settings from the command line and the configuration file.
    ///
    /// # Errors
    /// Returns a sentence if the settings together, or the file of the proxy secrets, cannot be used.
    pub fn gather(config: Config, flags: ServeSettings) -> Result<Self, String> {
        let serve = flags.over(&config.serve.clone().unwrap_or_default())?;
        Ok(Self {
            config,
            flags,
            serve,
        })
    }

    /// Reads the configuration file and the proxy secrets again, and takes over all of their
    /// settings or none.
    ///
    /// # Errors
    /// Returns a sentence if something of them cannot be used, or needs a restart.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        let file = self
            .config
            .read_serve()
            .map_err(|error| error.to_string())?;
        if file.is_none() && self.config.serve.is_some() {
            return Err(
                "the section [serve] that this endpoint was started with is gone".to_owned(),
            );
        }
        let serve = self.flags.over(&file.clone().unwrap_or_default())?;
        self.serve.check_reload(&serve)?;
        self.config.serve = file;
        self.serve = serve;
        Ok(())
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignalRequest {
    /// To end.
    End,
    /// To read the settings again.
    Reload,
}

/// The signals of the endpoint.
#[derive(Debug)]
pub struct ServiceSignals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` if it was ignored at the start, as under `nohup`: it stays ignored.
    hangup: Option<Signal>,
    /// What a hangup asks for: on a terminal, the terminal is gone.
    on_hangup: SignalRequest,
    /// Caught and ignored: log rotation sends them to programs that write their log to a file.
    user: [Signal; 2],
}

impl ServiceSignals {
    /// Starts to catch the signals. From then on they do not end the process by themselves.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn catch() -> io::Result<Self> {
        let hangup = if machine::ignores_hangup() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
            on_hangup: if io::stderr().is_terminal() {
                SignalRequest::End
            } else {
                SignalRequest::Reload
            },
            user: [
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ],
        })
    }

    /// Waits for the next signal that asks for something.
    pub(super) async fn next(&mut self) -> SignalRequest {
        loop {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let [one, two] = &mut self.user;
            tokio::select! {
                _ = self.terminate.recv() => return SignalRequest::End,
                _ = self.interrupt.recv() => return SignalRequest::End,
                _ = hangup => return self.on_hangup,
                _ = one.recv() => {}
                _ = two.recv() => {}
            }
        }
    }
}

/// Tells the service manager that the endpoint is ready, if there is one that wants to know
/// (`sd_notify(3)`).
pub(super) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells the service manager that the settings are read again; [`notify_ready`] follows.
pub(super) fn notify_reloading() {
    let now = NotifyState::monotonic_usec_now();
    notify(
        &[NotifyState::Reloading]
            .into_iter()
            .chain(now)
            .collect::<Vec<_>>(),
    );
}

/// Tells the service manager that the endpoint ends.
pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells the service manager that the endpoint lives, again and again, if it asked for that
/// (`WatchdogSec=`).
pub(super) async fn notify_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let pause = (limit / 3).max(Duration::from_millis(1));
    loop {
        notify(&[NotifyState::Watchdog]);
        tokio::time::sleep(pause).await;
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
