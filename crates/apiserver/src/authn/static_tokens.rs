//! Tokens of a file: `token,user,uid,"group1,group2"` in each line. Source: Kubernetes,
//! "Authenticating", static token file. Read once; a change needs a new start.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::user::UserInfo;

/// A larger file is refused.
const BYTES_MAX: usize = 16 << 20;
const COLUMNS_MIN: usize = 3;

/// Who has which token. Kept by hash, so that how long a look takes tells nothing of a token.
#[derive(Debug, Clone, Default)]
pub struct StaticTokens(HashMap<[u8; 32], UserInfo>);

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenFileError {
    /// It is too large to be one.
    #[error("a token file has no more than {BYTES_MAX} bytes")]
    TooLarge,
    /// A line has too few columns.
    #[error(
        "line {line}: a token file must have at least {COLUMNS_MIN} columns (token, user name, user uid), found {found}"
    )]
    Columns {
        /// Which one.
        line: usize,
        /// How many it has.
        found: usize,
    },
    /// A quote is not closed, or stands within a field.
    #[error("line {0}: a quote is out of place")]
    Quote(usize),
}

impl StaticTokens {
    /// Reads the text of a token file.
    pub fn parse(text: &str) -> Result<Self, TokenFileError> {
        if text.len() > BYTES_MAX {
            return Err(TokenFileError::TooLarge);
        }
        let mut tokens = HashMap::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty()) {
            let fields = fields(text).ok_or(TokenFileError::Quote(line))?;
            let [token, name, uid, rest @ ..] = fields.as_slice() else {
                return Err(TokenFileError::Columns { line, found: fields.len() });
            };
            if token.is_empty() {
                tracing::warn!(line, "an empty token in the token file is skipped");
                continue;
            }
            let groups = rest.first().map_or("", String::as_str).split(',');
            let groups = groups.map(str::trim).filter(|group| !group.is_empty());
            let user = UserInfo { uid: uid.clone(), ..UserInfo::new(name, groups) };
            if tokens.insert(digest(token), user).is_some() {
                tracing::warn!(line, "a token stands twice in the token file; the last one counts");
            }
        }
        Ok(Self(tokens))
    }

    /// Whose token this is.
    pub(super) fn user(&self, token: &str) -> Option<UserInfo> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&digest(token)).cloned()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The fields of a line of comma-separated values; `None` where a quote is out of place.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return None;
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// The text up to the closing quote, in which two quotes are one, and what follows.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_token_with_its_user() {
        let text = "abc,amy,1\n\ndef,bob,2,\"dev, ops\"\n,nobody,3\nabc,\"a \"\"b\"\"\",4,one\r\n";
        let tokens = StaticTokens::parse(text).unwrap();
        let amy = tokens.user("abc").unwrap();
        assert_eq!((amy.name.as_str(), amy.uid.as_str()), ("a \"b\"", "4"));
        assert_eq!(amy.groups, ["one", "system:authenticated"]);
        let bob = tokens.user("def").unwrap();
        assert_eq!(bob.groups, ["dev", "ops", "system:authenticated"]);
        assert_eq!(tokens.user(""), None);
        assert_eq!(tokens.user("ab"), None);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let parse = |text: &str| StaticTokens::parse(text).unwrap_err();
        assert_eq!(parse("a,b"), TokenFileError::Columns { line: 1, found: 2 });
        assert_eq!(parse("a,b,c\nd,e,f,\"g"), TokenFileError::Quote(2));
        assert_eq!(parse("a,b\"c,d"), TokenFileError::Quote(1));
    }
}
