//! Checkpoints: the number and hash of an event, kept where a user or process that can write to the
//! store has no access. The chain alone does not show that its end was cut off or that it was
//! rewritten completely; a checkpoint does.
use std::fmt;

/// The text that precedes the fields, in every log that holds checkpoints.
const MARK: &str = "claviger audit checkpoint ";

/// The length of a hash, in hexadecimal digits.
const HASH: usize = 64;

/// The newest event of a workspace at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The workspace's id.
    pub workspace: String,
    /// The event's number.
    pub sequence: i64,
    /// The event's hash, in hexadecimal.
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
    /// Parses the checkpoint in a line, ignoring any text that a log wrote before it. Returns
    /// `None` if the line holds no complete checkpoint.
    #[must_use]
    pub fn in_line(line: &str) -> Option<Self> {
        // The last mark counts: the text before it may be a checkpoint that a full disk cut off.
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

/// Returns all checkpoints of a workspace in a log. Lines without a checkpoint are skipped.
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
