//! From text to tokens.

use std::sync::Arc;

use crate::source::Issue;

mod literal;

/// A token and where it starts, in characters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub offset: usize,
    /// As it was written.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    Ident(Arc<str>),
    Int(u64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// An operator, a bracket, or one of `in`, `true`, `false`, `null`.
    Sign(&'static str),
    End,
}

/// Longest first.
const SIGNS: [&str; 27] = [
    "&&", "||", "==", "!=", "<=", ">=", "?", ":", "!", "<", ">", "+", "-", "*", "/", "%", "(", ")",
    "[", "]", "{", "}", ",", ".", "=", "|", "&",
];
const WORDS: [&str; 4] = ["in", "true", "false", "null"];

/// All tokens of a text; the last is the end.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Issue> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == TokenKind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

pub(crate) struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Result<Token, Issue> {
        self.skip_space();
        let offset = self.at;
        let kind = match self.peek(0) {
            None => TokenKind::End,
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('.') if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            Some(c) if c == '_' || c.is_ascii_alphabetic() => self.word()?,
            Some('"' | '\'') => self.quoted(false, false)?,
            Some(_) => self.sign()?,
        };
        let text = match kind {
            TokenKind::End => "<EOF>".to_owned(),
            _ => self.chars[offset..self.at].iter().collect(),
        };
        Ok(Token { kind, offset, text })
    }

    fn skip_space(&mut self) {
        loop {
            match self.peek(0) {
                Some(' ' | '\t' | '\r' | '\n' | '\u{c}') => self.at += 1,
                Some('/') if self.peek(1) == Some('/') => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn sign(&mut self) -> Result<TokenKind, Issue> {
        for sign in SIGNS {
            if sign.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c)) {
                self.at += sign.len();
                return match sign {
                    "=" | "|" | "&" => Err(self.unrecognized(self.at - 1)),
                    sign => Ok(TokenKind::Sign(sign)),
                };
            }
        }
        Err(self.unrecognized(self.at))
    }

    fn unrecognized(&self, offset: usize) -> Issue {
        let found: String = self.chars.get(offset).into_iter().collect();
        let message = format!("Syntax error: token recognition error at: '{found}'");
        Issue { offset, message }
    }

    /// An identifier, a word with a meaning, or a text with a prefix.
    fn word(&mut self) -> Result<TokenKind, Issue> {
        let prefix: String =
            (0..2).map_while(|ahead| self.peek(ahead)).collect::<String>().to_ascii_lowercase();
        let quote = |ahead| matches!(self.peek(ahead), Some('"' | '\''));
        let (raw, bytes, len) = match prefix.as_bytes() {
            [b'r', ..] if quote(1) => (true, false, 1),
            [b'b', ..] if quote(1) => (false, true, 1),
            [b'r', b'b'] | [b'b', b'r'] if quote(2) => (true, true, 2),
            _ => (false, false, 0),
        };
        if len > 0 {
            self.at += len;
            return self.quoted(raw, bytes);
        }
        let start = self.at;
        while self.peek(0).is_some_and(|c| c == '_' || c.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        Ok(match WORDS.iter().find(|known| **known == word) {
            Some(known) => TokenKind::Sign(known),
            None => TokenKind::Ident(word.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match tokens(text) {
            Ok(tokens) => {
                tokens.iter().map(|t| format!("{:?}", t.kind)).collect::<Vec<_>>().join(" ")
            }
            Err(issue) => format!("{}: {}", issue.offset, issue.message),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn words_signs_and_numbers() {
        check("a.b1 in", r#"Ident("a") Sign(".") Ident("b1") Sign("in") End"#);
        check("1u 0x1F 1.5e3 .5", "Uint(1) Int(31) Double(1500.0) Double(0.5) End");
        check("a // b\n&& c", r#"Ident("a") Sign("&&") Ident("c") End"#);
        check("a @", "2: Syntax error: token recognition error at: '@'");
        check("99999999999999999999", "0: invalid int literal");
    }

    #[test]
    fn texts_may_be_raw_long_and_bytes() {
        check(r#"'a\n\x41\u00e9\101'"#, r#"String("a\nAéA") End"#);
        check(r#"r'\d' b"\xff""#, r#"String("\\d") Bytes([255]) End"#);
        check("'''a'\nb'''", r#"String("a'\nb") End"#);
        check("'a", "0: Syntax error: token recognition error at: ''a'");
        check(r"'\q'", r"0: Syntax error: token recognition error at: ''\q'");
    }
}
