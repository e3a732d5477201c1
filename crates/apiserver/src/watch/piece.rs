//! What is sent in one go: mostly one change, whose bytes all watchers share.

use bytes::Bytes;

/// Bytes of one change, or a copy of those of several.
pub(super) enum Piece {
    One(Bytes),
    Several(Vec<u8>),
}

impl Piece {
    pub fn len(&self) -> usize {
        match self {
            Piece::One(bytes) => bytes.len(),
            Piece::Several(bytes) => bytes.len(),
        }
    }

    /// Adds the bytes of the next change.
    pub fn push(&mut self, more: Bytes) {
        match self {
            Piece::One(bytes) if bytes.is_empty() => *self = Piece::One(more),
            Piece::One(bytes) => *self = Piece::Several([bytes.as_ref(), more.as_ref()].concat()),
            Piece::Several(bytes) => bytes.extend_from_slice(&more),
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Piece::One(bytes)
    }
}

impl From<Piece> for Bytes {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::One(bytes) => bytes,
            Piece::Several(bytes) => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(changes: &[&'static str], expected: &str) {
        let mut piece = Piece::from(Bytes::from_static(changes[0].as_bytes()));
        changes[1..].iter().for_each(|more| piece.push(Bytes::from_static(more.as_bytes())));
        assert_eq!(piece.len(), expected.len());
        assert_eq!(Bytes::from(piece), expected);
    }

    #[test]
    fn changes_follow_each_other_and_those_not_selected_are_nothing() {
        check(&["a"], "a");
        check(&["a", "bc", "d"], "abcd");
        check(&["", "a", "", "b"], "ab");
        check(&["", ""], "");
    }

    #[test]
    fn one_change_is_sent_as_it_is() {
        let bytes = Bytes::from(vec![b'a']);
        let mut piece = Piece::from(Bytes::new());
        piece.push(bytes.clone());
        assert_eq!(Bytes::from(piece).as_ptr(), bytes.as_ptr());
    }
}
