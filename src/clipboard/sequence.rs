//! The byte sequences that put a text on a terminal's clipboard, plain and wrapped.
//!
//! The functions are pure. Their results contain the secret and are wiped after use. A new
//! multiplexer is a function beside `for_tmux`.

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The maximum size of a piece for GNU screen, in bytes: screen drops strings over 256 bytes, and
/// the wrapping of a piece takes four.
const SCREEN_PIECE: usize = 236;

/// Returns the request for the clipboard named `c`: without a name, some terminals use the mouse's
/// selection. The request ends with BEL, because the other string terminator would end the wrapping
/// around it. crossterm's command does the same, but leaves a copy in memory that it does not wipe.
pub(super) fn osc52(text: &str) -> Zeroizing<Vec<u8>> {
    let start = b"\x1b]52;c;";
    let encoded = BASE64.encode_len(text.len());
    // Allocated at its final size: a vector that grows leaves copies behind.
    let mut sequence = Zeroizing::new(vec![0; start.len() + encoded + 1]);
    sequence[..start.len()].copy_from_slice(start);
    BASE64.encode_mut(
        text.as_bytes(),
        &mut sequence[start.len()..start.len() + encoded],
    );
    sequence[start.len() + encoded] = 0x07;
    sequence
}

/// Wraps a sequence for tmux, which forwards the content of its own wrapping; every ESC is doubled.
pub(super) fn for_tmux(sequence: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut wrapped = Zeroizing::new(Vec::with_capacity(2 * sequence.len() + 16));
    wrapped.extend_from_slice(b"\x1bPtmux;");
    for &byte in sequence {
        if byte == 0x1b {
            wrapped.push(byte);
        }
        wrapped.push(byte);
    }
    wrapped.extend_from_slice(b"\x1b\\");
    wrapped
}

/// Wraps a sequence for GNU screen, which forwards the content of plain device control strings and
/// joins the pieces.
pub(super) fn for_screen(sequence: &[u8]) -> Zeroizing<Vec<u8>> {
    let pieces = sequence.len().div_ceil(SCREEN_PIECE);
    let mut wrapped = Zeroizing::new(Vec::with_capacity(sequence.len() + 4 * pieces));
    for piece in sequence.chunks(SCREEN_PIECE) {
        wrapped.extend_from_slice(b"\x1bP");
        wrapped.extend_from_slice(piece);
        wrapped.extend_from_slice(b"\x1b\\");
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequences_are_wrapped_as_each_program_needs() {
        let plain = osc52("hello");
        assert_eq!(*plain, b"\x1b]52;c;aGVsbG8=\x07");
        assert_eq!(
            *for_tmux(&plain),
            b"\x1bPtmux;\x1b\x1b]52;c;aGVsbG8=\x07\x1b\\"
        );
        assert_eq!(*for_screen(&plain), b"\x1bP\x1b]52;c;aGVsbG8=\x07\x1b\\");
    }

    #[test]
    fn screen_gets_pieces_of_at_most_240_bytes() {
        let plain = osc52(&"x".repeat(1000));
        let wrapped = for_screen(&plain);
        let mut joined = Vec::new();
        let text = String::from_utf8_lossy(&wrapped);
        for piece in text.split_inclusive("\x1b\\") {
            assert!(piece.len() <= 240);
            joined.extend_from_slice(&piece.as_bytes()[2..piece.len() - 2]);
        }
        assert_eq!(joined, *plain);
    }
}
