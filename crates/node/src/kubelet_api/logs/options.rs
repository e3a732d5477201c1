//! The options of a log request.

use jiff::{SignedDuration, Timestamp};

use crate::kubelet_api::Failure;

/// What a caller wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail: Option<u64>,
    pub since: Option<Timestamp>,
    pub limit_bytes: Option<u64>,
    /// One of the two streams, by its word in CRI logs; `None` for both.
    pub stream: Option<&'static str>,
}

impl Options {
    pub(super) fn parse(query: &[(String, String)], now: Timestamp) -> Result<Self, Failure> {
        let mut options = Self::default();
        for (key, value) in query {
            match key.as_str() {
                "follow" => options.follow = flag(value),
                "previous" => options.previous = flag(value),
                "timestamps" => options.timestamps = flag(value),
                "tailLines" => options.tail = Some(number(key, value)?),
                "limitBytes" => options.limit_bytes = Some(number(key, value)?),
                "stream" => options.stream = stream(value)?,
                "sinceSeconds" => {
                    let seconds = i64::try_from(number(key, value)?).unwrap_or(i64::MAX);
                    let since = now.checked_sub(SignedDuration::from_secs(seconds));
                    options.since = Some(since.unwrap_or(Timestamp::MIN));
                }
                "sinceTime" => {
                    let parsed = value.parse();
                    let wrong = |_| {
                        Failure::bad_request(format!("sinceTime={value}: not a time in RFC 3339"))
                    };
                    options.since = Some(parsed.map_err(wrong)?);
                }
                _ => {}
            }
        }
        if options.stream.is_some() && options.tail.is_some() {
            let why = "`tailLines` and specific `stream` are mutually exclusive for now";
            return Err(Failure::bad_request(why));
        }
        Ok(options)
    }
}

fn stream(value: &str) -> Result<Option<&'static str>, Failure> {
    match value {
        "" | "All" => Ok(None),
        "Stdout" => Ok(Some("stdout")),
        "Stderr" => Ok(Some("stderr")),
        other => Err(Failure::bad_request(format!("stream={other}: not All, Stdout or Stderr"))),
    }
}

fn flag(value: &str) -> bool {
    matches!(value, "true" | "1")
}

fn number(key: &str, value: &str) -> Result<u64, Failure> {
    let wrong =
        |_| Failure::bad_request(format!("{key}={value}: not a whole number of zero or more"));
    value.parse().map_err(wrong)
}
