//! Checkpoints: the number and the hash of an event, kept where whoever writes to the store cannot
//! get at them. A chain alone does not show that its end was cut off, or that all of it was written
//! anew; a checkpoint does.
use std::fmt;

/// What stands before the fields, in whatever log it is kept.
const MARK: &str = "claviger audit checkpoint ";

/// How long a hash is, in hexadecimal.
const HASH: usize = 64;

/// What was the newest event of a workspace at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The workspace's own id.
    pub workspace: String,
    /// The event's number.
    pub sequence: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workspace,
            sequence,
            hash,
        } = self;
        write!(
            f,
            "{MARK}workspace={workspace} sequence={sequence} hash={hash}"
        )
    }
}

impl Checkpoint {
    /// The checkpoint that a line holds, whatever a log put before it.
    #[must_use]
    pub fn in_line(line: &str) -> Option<Self> {
        // The last one: what stands before it may be what a full disk left of another.
        let (_, fields) = line.rsplit_once(MARK)?;
        let mut fields = fields.split_whitespace();
        let mut field = |name: &str| {
            let value = fields.next()?.strip_prefix(name)?.strip_prefix('=')?;
            Some(value.to_owned())
        };
        let found = Self {
            workspace: field("workspace")?,
            sequence: field("sequence")?.parse().ok()?,
            hash: field("hash")?,
        };
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let whole = found.hash.len() == HASH && found.hash.bytes().all(digits);
        whole.then_some(found)
    }
}

/// All checkpoints of a workspace in a log; lines that hold none are passed over.
#[must_use]
pub fn checkpoints_in(log: &str, workspace: &str) -> Vec<Checkpoint> {
    log.lines()
        .filter_map(Checkpoint::in_line)
        .filter(|checkpoint| checkpoint.workspace == workspace)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_found_in_any_log_again() {
        let one = Checkpoint {
            workspace: "ab12".into(),
            sequence: 17,
            hash: "0f".repeat(32),
        };
        let stump = one.to_string();
        let stump = &stump[..stump.len() - 9];
        let log = format!(
            "Nov 25 22:10:01 gw1 sshd[1]: hello\nNov 25 22:10:01 gw1 claviger[77]: {one}\n\
             {one} trailing\n{stump}{one}\n{stump}\nclaviger audit checkpoint workspace=ab12 sequence=x hash=1\n\
             claviger audit checkpoint workspace=other sequence=1 hash=1\n"
        );
        assert_eq!(
            checkpoints_in(&log, "ab12"),
            [one.clone(), one.clone(), one]
        );
    }
}
