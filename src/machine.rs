//! The interface to this machine: the clock, randomness, the acting user, and the protection of
//! this process.
//!
//! Only this module reads the system's clock and randomness, except that async code measures its
//! timeouts with tokio's clock. All other code gets a [`Machine`], whose clock can be fixed in
//! tests. This module must not make any decisions.
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{Uid, User, gethostname},
};
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

use crate::domain::{audit::Actor, moment::Moment, text::visible};

type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;
type RandomFunction = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The machine, as far as claviger uses it.
#[derive(Clone)]
pub struct Machine {
    clock: Clock,
    chance: RandomFunction,
    actor: Actor,
}

impl Machine {
    /// Returns the real machine: the system's clock and randomness, and the user who runs this
    /// process.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(system_time),
            chance: Arc::new(system_randomness),
            actor: system_user(),
        }
    }

    /// Returns the real machine, with a clock that never falls behind the time that has passed
    /// since this call. If the system's clock is set back, time continues from the time of this
    /// call, so that no expired key becomes valid again.
    #[must_use]
    pub fn steady() -> Self {
        let began = (system_time(), uptime());
        Self {
            clock: Arc::new(move || steady(began, (system_time(), uptime()))),
            ..Self::real()
        }
    }

    /// Returns a machine with a fixed clock and repeatable randomness, for tests and pictures.
    #[must_use]
    pub fn fixed(now: Moment, actor: &str) -> Self {
        Self::with_clock(move || now, actor)
    }

    /// Returns a machine as from [`Machine::fixed`], but with the given clock.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> Moment + Send + Sync + 'static, actor: &str) -> Self {
        let counter = Mutex::new(0_u64);
        let chance = move |buffer: &mut [u8]| {
            use sha2::Digest as _;
            let mut counter = counter
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            for chunk in buffer.chunks_mut(32) {
                *counter += 1;
                let block = sha2::Sha256::digest(counter.to_be_bytes());
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        };
        Self {
            clock: Arc::new(clock),
            chance: Arc::new(chance),
            actor: Actor {
                name: actor.to_owned(),
                from: None,
                login: None,
            },
        }
    }

    /// Returns the same machine with another actor.
    #[must_use]
    pub fn acted_on_by(&self, actor: Actor) -> Self {
        Self {
            actor,
            ..self.clone()
        }
    }

    /// Returns the present time.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Returns a time that only increases, from an arbitrary start, to measure durations.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        uptime()
    }

    /// Returns the present point on a clock that only increases, to compare with other such points.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        (self.chance)(buffer);
    }

    /// Returns random bytes in hexadecimal, for ids that are not secret.
    #[must_use]
    pub fn draw_hex(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.fill(&mut buffer);
        data_encoding::HEXLOWER.encode(&buffer)
    }

    /// Returns the actor of the changes that this process makes.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({})", self.actor)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn system_time() -> Moment {
    Moment::from_millis(jiff::Timestamp::now().as_millisecond())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn uptime() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

/// Returns the later of the system's time and the time that must have been reached since the first
/// reading. The former accounts for a machine that slept, the latter for a clock that was set back.
fn steady(began: (Moment, Duration), now: (Moment, Duration)) -> Moment {
    let passed = now.1.saturating_sub(began.1).as_millis();
    let passed = i64::try_from(passed).unwrap_or(i64::MAX);
    let counted = Moment::from_millis(began.0.millis().saturating_add(passed));
    counted.max(now.0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that draws randomness"
)]
fn system_randomness(buffer: &mut [u8]) {
    // Without randomness no key may be created; it is better to end than to continue in any way.
    getrandom::fill(buffer).expect("the system has no randomness to give");
}

/// Returns the actor, such as `alice@gw1`. The name comes from the effective user id and the host
/// name, not from the environment; only the SSH client's address is taken from `SSH_CONNECTION`.
fn system_user() -> Actor {
    let uid = Uid::effective();
    let user = User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name);
    let host = gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default();
    let host = host.split('.').next().unwrap_or_default();
    let name = if host.is_empty() {
        user
    } else {
        format!("{user}@{host}")
    };
    let from = std::env::var("SSH_CONNECTION")
        .ok()
        .and_then(|ssh| ssh.split(' ').next()?.parse::<IpAddr>().ok());
    Actor {
        name: visible(&name),
        from,
        login: None,
    }
}

/// Keeps secrets in this process's memory out of core dumps and away from debuggers of the same
/// user. If the system refuses part of that, it is left as it is; `doctor` reports it.
pub fn harden() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

/// Forbids this process, and every thread that it starts, to run programs from now on. This is for
/// members who logged in over SSH, who must not get access to the machine itself. Must be called
/// before any thread is started.
///
/// # Errors
/// Returns the system's message if the restriction cannot be set.
pub fn run_no_program() -> Result<(), String> {
    let deny = SeccompAction::Errno(nix::libc::EPERM.unsigned_abs());
    let calls = [nix::libc::SYS_execve, nix::libc::SYS_execveat];
    let calls = calls.map(|call| (call, Vec::new())).into();
    let architecture = std::env::consts::ARCH.try_into();
    let architecture = architecture.map_err(|error: BackendError| error.to_string())?;
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, deny, architecture);
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// Returns `true` if a crash of this process could write its memory to a file.
#[must_use]
pub fn may_dump_core() -> bool {
    prctl::get_dumpable().unwrap_or(true)
        || getrlimit(Resource::RLIMIT_CORE).is_ok_and(|(soft, _)| soft > 0)
}

/// Raises the limit of open files, which include connections, to the maximum for this user. Returns
/// the limit that applies then, or 1024 if it cannot be read.
#[must_use]
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 1024;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Returns `true` if this process ignores SIGHUP, as `nohup` makes it do: it is signal 1, the first
/// bit of the mask (`proc(5)`).
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_clock_goes_on_when_the_system_is_set_back_and_follows_it_ahead() {
        let at = |moment: i64, passed: u64| {
            let began = (Moment::from_millis(1_000_000), Duration::from_secs(50));
            let now = (Moment::from_millis(moment), Duration::from_secs(passed));
            steady(began, now).millis()
        };
        assert_eq!(at(1_010_000, 60), 1_010_000);
        assert_eq!(at(500, 60), 1_010_000, "set back");
        assert_eq!(at(9_000_000, 60), 9_000_000, "set ahead, or slept");
        assert_eq!(at(1_020_000, 70), 1_020_000, "and set right again");
    }
}
