//! Numbers and quoted texts.

use super::{Lexer, TokenKind};
use crate::source::Issue;

impl Lexer {
    pub(super) fn number(&mut self) -> Result<TokenKind, Issue> {
        let start = self.at;
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            self.at += 2;
            self.skip(|c| c.is_ascii_hexdigit());
            let digits: String = self.chars[start + 2..self.at].iter().collect();
            return self.integer(start, u64::from_str_radix(&digits, 16).ok());
        }
        self.skip(|c| c.is_ascii_digit());
        let mut is_double = false;
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            is_double = true;
            self.at += 1;
            self.skip(|c| c.is_ascii_digit());
        }
        if let Some(len) = self.exponent() {
            is_double = true;
            self.at += len;
            self.skip(|c| c.is_ascii_digit());
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        if !is_double {
            return self.integer(start, digits.parse().ok());
        }
        let issue = || Issue { offset: start, message: "invalid double literal".to_owned() };
        digits.parse().map(TokenKind::Double).map_err(|_| issue())
    }

    /// The length of `e+` and the like, where digits follow.
    fn exponent(&self) -> Option<usize> {
        if !matches!(self.peek(0), Some('e' | 'E')) {
            return None;
        }
        let len = if matches!(self.peek(1), Some('+' | '-')) { 2 } else { 1 };
        self.peek(len).is_some_and(|c| c.is_ascii_digit()).then_some(len)
    }

    fn integer(&mut self, start: usize, value: Option<u64>) -> Result<TokenKind, Issue> {
        let unsigned = matches!(self.peek(0), Some('u' | 'U'));
        let kind = if unsigned { "uint" } else { "int" };
        let issue = || Issue { offset: start, message: format!("invalid {kind} literal") };
        let value = value.ok_or_else(issue)?;
        if unsigned {
            self.at += 1;
            return Ok(TokenKind::Uint(value));
        }
        // One more than fits: its negative does.
        if value > i64::MAX as u64 + 1 {
            return Err(issue());
        }
        Ok(TokenKind::Int(value))
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    pub(super) fn quoted(&mut self, raw: bool, bytes: bool) -> Result<TokenKind, Issue> {
        let start = self.at;
        let quote = self.chars[start];
        let long = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        let len = if long { 3 } else { 1 };
        self.at += len;
        let mut out = Vec::new();
        loop {
            match self.peek(0) {
                None => return Err(self.broken(start)),
                Some('\n' | '\r') if !long => return Err(self.broken(start)),
                Some(c) if c == quote && (0..len).all(|ahead| self.peek(ahead) == Some(quote)) => {
                    self.at += len;
                    break;
                }
                Some('\\') if !raw => {
                    self.at += 1;
                    self.escape(bytes, &mut out).ok_or_else(|| self.broken(start))?;
                }
                Some('\\') => {
                    // A raw text keeps the backslash, and the quote that follows it.
                    out.push(b'\\');
                    self.at += 1;
                    if let Some(c) = self.peek(0) {
                        push(&mut out, c);
                        self.at += 1;
                    }
                }
                Some(c) => {
                    push(&mut out, c);
                    self.at += 1;
                }
            }
        }
        if bytes {
            return Ok(TokenKind::Bytes(out.into()));
        }
        match String::from_utf8(out) {
            Ok(text) => Ok(TokenKind::String(text.into())),
            Err(_) => Err(self.broken(start)),
        }
    }

    fn broken(&self, start: usize) -> Issue {
        let end = (self.at + 1).min(self.chars.len());
        let shown: String = self.chars[start..end].iter().collect();
        Issue {
            offset: start,
            message: format!("Syntax error: token recognition error at: '{shown}'"),
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Option<()> {
        let c = self.peek(0)?;
        let plain = match c {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '\'' | '"' | '`' | '?' => Some(c as u8),
            _ => None,
        };
        if let Some(plain) = plain {
            self.at += 1;
            out.push(plain);
            return Some(());
        }
        let (skipped, digits, radix) = match c {
            'x' | 'X' => (1, 2, 16),
            'u' if !bytes => (1, 4, 16),
            'U' if !bytes => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => return None,
        };
        self.at += skipped;
        let mut value = 0u32;
        for _ in 0..digits {
            let digit = self.peek(0)?.to_digit(radix)?;
            value = value.checked_mul(radix)?.checked_add(digit)?;
            self.at += 1;
        }
        match bytes {
            true => out.push(u8::try_from(value).ok()?),
            false => push(out, char::from_u32(value)?),
        }
        Some(())
    }
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
