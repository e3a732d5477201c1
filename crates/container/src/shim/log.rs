//! A container's log file: lines in CRI format, rotated by size and count.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::stdio::Channel;
use crate::cgroup::annotate;
use crate::spec::LogSpec;

/// A line longer than this is written in parts.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;

/// One container's log.
#[derive(Debug)]
pub(super) struct Log {
    spec: LogSpec,
    file: Option<File>,
    size: u64,
}

impl Log {
    /// Opens (or goes on with) the file.
    pub(super) fn open(spec: LogSpec) -> io::Result<Log> {
        let mut log = Log { spec, file: None, size: 0 };
        log.reopen()?;
        Ok(log)
    }

    /// Opens the file of that name, which may be another one by now.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let path = &self.spec.path;
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| annotate(error, "make", parent))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| annotate(error, "open", path))?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Appends formatted lines, going on in a fresh file where this one is full.
    pub(super) fn append(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let mut end = fitting(lines, self.room());
            if end == 0 && self.size > 0 {
                self.rotate()?;
                end = fitting(lines, self.room());
            }
            // A single line over the bound has a file of its own.
            let end = if end == 0 { first_line(lines) } else { end };
            let Some(file) = &mut self.file else { return Ok(()) };
            file.write_all(&lines[..end])?;
            self.size += end as u64;
            lines = &lines[end..];
        }
        Ok(())
    }

    /// How many bytes still fit into the file.
    fn room(&self) -> usize {
        match self.spec.max_bytes {
            0 => usize::MAX,
            bound => usize::try_from(bound.saturating_sub(self.size)).unwrap_or(usize::MAX),
        }
    }

    /// `x.log` becomes `x.log.1`, that `x.log.2`, and so on; the oldest falls off.
    fn rotate(&mut self) -> io::Result<()> {
        let path = &self.spec.path;
        let kept = self.spec.max_files.max(1) - 1;
        if kept == 0 {
            fs::remove_file(path)?;
        }
        for number in (1..=kept).rev() {
            let from = if number == 1 { path.clone() } else { numbered(path, number - 1) };
            match fs::rename(&from, numbered(path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.reopen()
    }
}

/// The length of as many whole lines as fit.
fn fitting(lines: &[u8], room: usize) -> usize {
    if lines.len() <= room {
        return lines.len();
    }
    lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Cuts a stream of bytes into lines, and keeps an unfinished one until its rest comes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Formats what `bytes` completes, at this time, onto `out`.
    pub(super) fn push(&mut self, mut bytes: &[u8], channel: Channel, out: &mut Vec<u8>) {
        let stamp = Stamp::now();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.fill(&bytes[..end], channel, &stamp, out);
            self.write('F', channel, &stamp, out);
            bytes = &bytes[end + 1..];
        }
        self.fill(bytes, channel, &stamp, out);
    }

    /// Formats an unfinished line at the stream's end.
    pub(super) fn finish(&mut self, channel: Channel, out: &mut Vec<u8>) {
        if !self.partial.is_empty() {
            self.write('F', channel, &Stamp::now(), out);
        }
    }

    /// Adds to the unfinished line; what makes it too long goes out in parts.
    fn fill(&mut self, mut bytes: &[u8], channel: Channel, stamp: &Stamp, out: &mut Vec<u8>) {
        while self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            let (now, later) = bytes.split_at(LINE_BYTES_MAX - self.partial.len());
            self.partial.extend_from_slice(now);
            self.write('P', channel, stamp, out);
            bytes = later;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn write(&mut self, tag: char, channel: Channel, stamp: &Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(&stamp.0);
        out.extend_from_slice(channel.name().as_bytes());
        out.extend_from_slice(&[b' ', tag as u8, b' ']);
        out.extend_from_slice(&self.partial);
        out.push(b'\n');
        // An idle stream holds no memory.
        if self.partial.capacity() > 1024 {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
        }
    }
}

/// `2026-11-20T17:00:00.123456789Z `, with the space that follows.
struct Stamp([u8; 31]);

impl Stamp {
    fn now() -> Stamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp::at(since.as_secs(), since.subsec_nanos())
    }

    fn at(seconds: u64, nanoseconds: u32) -> Stamp {
        let (year, month, day) = civil(seconds / 86_400);
        let second = seconds % 86_400;
        let mut text = *b"0000-00-00T00:00:00.000000000Z ";
        let mut put = |range: std::ops::Range<usize>, mut value: u64| {
            for digit in text[range].iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0..4, year);
        put(5..7, month);
        put(8..10, day);
        put(11..13, second / 3600);
        put(14..16, second / 60 % 60);
        put(17..19, second % 60);
        put(20..29, nanoseconds.into());
        Stamp(text)
    }
}

/// Year, month and day of a day after 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_stamp(seconds: u64, nanoseconds: u32, expected: &str) {
        let stamp = Stamp::at(seconds, nanoseconds);
        assert_eq!(std::str::from_utf8(&stamp.0).unwrap(), expected);
    }

    #[test]
    fn stamps_are_utc_to_the_nanosecond() {
        check_stamp(0, 0, "1970-01-01T00:00:00.000000000Z ");
        check_stamp(1_795_194_000, 123_456_789, "2026-11-20T17:00:00.123456789Z ");
        check_stamp(1_709_164_800, 1, "2024-02-29T00:00:00.000000001Z ");
        check_stamp(4_102_444_799, 999_999_999, "2099-12-31T23:59:59.999999999Z ");
    }

    #[test]
    fn stamps_agree_with_a_calendar_library() {
        for day in (0..60_000u64).step_by(13) {
            let time = jiff::Timestamp::from_second((day * 86_400) as i64).unwrap();
            let text = String::from_utf8(Stamp::at(day * 86_400, 0).0.to_vec()).unwrap();
            assert_eq!(text[..10], time.to_string()[..10]);
        }
    }

    /// The lines that come of these pieces, without their stamps.
    fn check_lines(pieces: &[&[u8]], expected: &[&str]) {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, Channel::Stdout, &mut out);
        }
        lines.finish(Channel::Stdout, &mut out);
        let text = String::from_utf8(out).unwrap();
        let found: Vec<&str> = text.lines().map(|line| &line[31..]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_found_across_pieces() {
        check_lines(&[b"a\nb", b"c\n", b"\n"], &["stdout F a", "stdout F bc", "stdout F "]);
        check_lines(&[b""], &[]);
    }

    #[test]
    fn an_unfinished_line_is_written_at_the_end() {
        check_lines(&[b"a\nrest"], &["stdout F a", "stdout F rest"]);
    }

    #[test]
    fn a_long_line_comes_in_parts() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let part = format!("stdout P {long}");
        let whole = format!("stdout F {long}");
        check_lines(&[long.as_bytes(), b"\n"], &[&whole]);
        check_lines(&[long.as_bytes(), b"yz\n"], &[&part, "stdout F yz"]);
        let twice = format!("{long}{long}!\n");
        check_lines(&[twice.as_bytes()], &[&part, &part, "stdout F !"]);
    }

    #[test]
    fn rotation_keeps_as_many_files_as_asked() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("new/0.log");
        let spec = LogSpec { path: path.clone(), max_bytes: 10, max_files: 3 };
        let mut log = Log::open(spec).unwrap();
        for number in 0..5 {
            log.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "line 4\n");
        assert_eq!(read(&numbered(&path, 1)), "line 3\n");
        assert_eq!(read(&numbered(&path, 2)), "line 2\n");
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn many_lines_at_once_are_spread_over_files() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("0.log");
        let spec = LogSpec { path: path.clone(), max_bytes: 10, max_files: 9 };
        let mut log = Log::open(spec).unwrap();
        log.append(b"1\n2\nfour\nfive5\nmore than ten\nlast\n").unwrap();
        let read = |number| fs::read_to_string(numbered(&path, number)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "last\n");
        assert_eq!([read(1), read(2), read(3)], ["more than ten\n", "five5\n", "1\n2\nfour\n"]);
    }

    #[test]
    fn a_single_file_starts_over() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("0.log");
        let spec = LogSpec { path: path.clone(), max_bytes: 10, max_files: 1 };
        let mut log = Log::open(spec).unwrap();
        for number in 0..3 {
            log.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 2\n");
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_path_nothing_is_kept() {
        let mut log = Log::open(LogSpec::default()).unwrap();
        log.append(b"x\n").unwrap();
    }

    proptest::proptest! {
        #[test]
        fn the_same_lines_come_however_the_bytes_are_cut(
            text in proptest::collection::vec(proptest::sample::select(&b"ab\n"[..]), 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..10),
        ) {
            let logged = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                let (mut lines, mut out) = (Lines::default(), Vec::new());
                pieces.for_each(|piece| lines.push(piece, Channel::Stderr, &mut out));
                lines.finish(Channel::Stderr, &mut out);
                let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| line[31..].to_vec()).collect::<Vec<_>>()
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            proptest::prop_assert_eq!(logged(&mut pieces), logged(&mut std::iter::once(&text[..])));
        }
    }
}
