//! The conversation between a client and a shim: length-prefixed JSON frames on a unix socket.
//!
//! Each side names its version first. A frame may be accompanied by file descriptors
//! (`SCM_RIGHTS`), which arrive with its first byte or before. A shim may be older than its
//! client by many releases: fields may be added, never changed in meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::CreateStep;
use crate::spec::{AttachSpec, ContainerSpec, ExecSpec, Resources};
use crate::state::{ContainerState, ExitStatus, PodRecord, Stats};

/// The version that both sides speak; one number for the whole protocol.
pub(crate) const VERSION: u32 = 1;

/// Bound on a frame's body, in both directions.
pub(crate) const FRAME_BYTES_MAX: usize = 4 << 20;

/// Bytes of a frame's length.
pub(crate) const HEADER_BYTES: usize = 4;

/// Bound on the descriptors that come with a frame.
pub(crate) const DESCRIPTORS_MAX: usize = 4;

/// Client to shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back in the reply.
    pub sequence: u32,
    pub call: Call,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    /// First on every connection.
    Hello {
        version: u32,
    },
    Create(Box<ContainerSpec>),
    Start {
        container: String,
    },
    Signal {
        container: String,
        signal: i32,
        all: bool,
    },
    Remove {
        container: String,
    },
    /// Answered with descriptors; the process's end follows on the same connection.
    Exec(Box<ExecSpec>),
    /// Answered with descriptors; the container's end follows on the same connection.
    Attach(AttachSpec),
    Containers,
    Update {
        container: String,
        resources: Resources,
    },
    Stats {
        container: Option<String>,
    },
    ReopenLog {
        container: String,
    },
    Stop,
}

impl Call {
    /// For messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::Hello { .. } => "hello",
            Call::Create(_) => "create",
            Call::Start { .. } => "start",
            Call::Signal { .. } => "signal",
            Call::Remove { .. } => "remove",
            Call::Exec(_) => "exec",
            Call::Attach(_) => "attach",
            Call::Containers => "containers",
            Call::Update { .. } => "update",
            Call::Stats { .. } => "stats",
            Call::ReopenLog { .. } => "reopen log",
            Call::Stop => "stop",
        }
    }
}

/// Shim to client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The answer to a request.
    Reply { sequence: u32, result: Result<Answer, Refusal> },
    /// A container has ended: to every connection that said hello.
    Exit { container: String, status: ExitStatus },
    /// What this exec or attach connection was about has ended.
    Ended(ExitStatus),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Hello { version: u32, pod: String, labels: BTreeMap<String, String>, pid: u32 },
    Done,
    Containers(Vec<ContainerState>),
    Stats(Stats),
    Stdio(Stdio),
    Stopped(PodRecord),
}

/// Which descriptors come with an answer to exec or attach, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stdio {
    /// Writing end of its stdin.
    pub stdin: bool,
    /// Reading end of its stdout.
    pub stdout: bool,
    /// Reading end of its stderr.
    pub stderr: bool,
    /// The master of its terminal: for its size, and for what of stdin and stdout is not above.
    pub terminal: bool,
    /// The process's input goes on when this client's has ended. An older shim does not say.
    #[serde(default)]
    pub input_stays: bool,
}

/// Why a call failed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Version { ours: u32 },
    NoSuchContainer(String),
    WrongState { container: String, state: String },
    NotExecutable(String),
    Create { step: CreateStep, message: String },
    Failed(String),
}

/// A frame's bytes, header and all; `None` when it would be over the bound.
pub(crate) fn encode<T: Serialize>(body: &T) -> Option<Vec<u8>> {
    let mut frame = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut frame, body).expect("our frames have string keys only");
    let length = frame.len() - HEADER_BYTES;
    if length > FRAME_BYTES_MAX {
        return None;
    }
    let header = u32::try_from(length).expect("the bound fits").to_le_bytes();
    frame[..HEADER_BYTES].copy_from_slice(&header);
    Some(frame)
}

/// Looks for a whole frame at the start of `buffer`: its body's length, if the frame is there.
///
/// # Errors
/// The length it announces, when that is over the bound.
pub(crate) fn frame_length(buffer: &[u8]) -> Result<Option<usize>, usize> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes(*header) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(length);
    }
    Ok((buffer.len() >= HEADER_BYTES + length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_length(buffer: &[u8], expected: Result<Option<usize>, usize>) {
        assert_eq!(frame_length(buffer), expected, "{buffer:?}");
    }

    #[test]
    fn a_frame_is_found_only_when_whole() {
        check_length(&[], Ok(None));
        check_length(&[2, 0, 0], Ok(None));
        check_length(&[2, 0, 0, 0, b'{'], Ok(None));
        check_length(&[2, 0, 0, 0, b'{', b'}'], Ok(Some(2)));
        check_length(&[0, 0, 0, 0], Ok(Some(0)));
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_before_it_is_read() {
        check_length(&[0xff, 0xff, 0xff, 0xff], Err(u32::MAX as usize));
        let huge = "x".repeat(FRAME_BYTES_MAX + 1);
        assert!(encode(&huge).is_none());
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let refusal = Refusal::WrongState { container: "a".into(), state: "running".into() };
        let message = Message::Reply { sequence: 7, result: Err(refusal) };
        let frame = encode(&message).unwrap();
        let length = frame_length(&frame).unwrap().unwrap();
        let back: Message =
            serde_json::from_slice(&frame[HEADER_BYTES..HEADER_BYTES + length]).unwrap();
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
    }

    proptest::proptest! {
        #[test]
        fn a_frame_found_is_within_the_buffer(buffer in proptest::collection::vec(0u8..4, 0..64)) {
            if let Ok(Some(length)) = frame_length(&buffer) {
                proptest::prop_assert!(HEADER_BYTES + length <= buffer.len());
                proptest::prop_assert!(length <= FRAME_BYTES_MAX);
            }
        }
    }
}
