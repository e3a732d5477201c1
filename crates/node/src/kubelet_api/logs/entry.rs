//! Lines of a CRI log and how they are shown.

use jiff::Timestamp;

/// Whether the line that is being shown has begun already: CRI splits long ones.
#[derive(Default)]
pub(super) struct Carry {
    partial: bool,
}

impl Carry {
    pub(super) fn show(&mut self, entry: &Entry<'_>, timestamps: bool) -> Vec<u8> {
        let mut line = Vec::with_capacity(entry.content.len() + 1);
        if timestamps && !self.partial {
            line.extend(entry.time);
            line.push(b' ');
        }
        line.extend(entry.content);
        if entry.whole {
            line.push(b'\n');
        }
        self.partial = !entry.whole;
        line
    }
}

/// One line of a CRI log: `time stream tag content`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    time: &'a [u8],
    stream: &'a [u8],
    /// The last piece of a line.
    pub whole: bool,
    pub content: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { time, stream, whole: !tag.starts_with(b"P"), content: parts.next()? })
    }

    /// Does it belong to the wanted stream?
    pub(super) fn is_of(&self, stream: Option<&str>) -> bool {
        stream.is_none_or(|stream| stream.as_bytes() == self.stream)
    }

    pub(super) fn is_since(&self, since: Option<Timestamp>) -> bool {
        let Some(since) = since else { return true };
        let time = std::str::from_utf8(self.time).ok().and_then(|time| time.parse().ok());
        time.is_none_or(|time: Timestamp| time >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_its_stream() {
        let line = Entry::parse(b"2026-01-01T00:00:00Z stderr F oh\n").unwrap();
        assert!(line.is_of(None) && line.is_of(Some("stderr")) && !line.is_of(Some("stdout")));
    }

    #[test]
    fn what_is_no_cri_line_is_left_out() {
        assert_eq!(Entry::parse(b"torn"), None);
        assert_eq!(Entry::parse(b"t s F \n").map(|entry| entry.content.len()), Some(0));
    }
}
