//! nftables transactions: many messages, one outcome.

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use super::{
    NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, NetlinkError, Socket, Writer, message, refusal,
};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM_NFTABLES: u8 = 10;

/// Messages that the kernel carries out all together or not at all.
#[derive(Debug)]
pub(crate) struct Batch {
    writer: Writer,
    last: usize,
    /// What each message attempts, for errors: sequence numbers count them from one.
    attempts: Vec<String>,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        let mut writer = Writer::default();
        let start = writer.begin(BATCH_BEGIN, NLM_F_REQUEST, 0);
        writer.raw(&[0, 0, 0, SUBSYSTEM_NFTABLES]);
        writer.end(start);
        Batch { writer, last: 0, attempts: Vec::new() }
    }

    /// Adds a message of the nftables subsystem for an address family.
    pub(crate) fn add(
        &mut self,
        attempted: String,
        kind: u8,
        flags: u16,
        family: u8,
        fill: impl FnOnce(&mut Writer),
    ) {
        self.attempts.push(attempted);
        let kind = u16::from_be_bytes([SUBSYSTEM_NFTABLES, kind]);
        self.last = self.writer.begin(kind, NLM_F_REQUEST | flags, self.attempts.len() as u32);
        self.writer.raw(&[family, 0, 0, 0]);
        fill(&mut self.writer);
        self.writer.end(self.last);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Sends the batch and reports the first refusal; nothing has changed then.
    pub(crate) fn commit(mut self, socket: &mut Socket) -> Result<(), NetlinkError> {
        if self.is_empty() {
            return Ok(());
        }
        // One acknowledgement shows that the kernel got to the end.
        self.writer.add_flags(self.last, NLM_F_ACK);
        let start = self.writer.begin(BATCH_END, NLM_F_REQUEST, 0);
        self.writer.raw(&[0, 0, 0, SUBSYSTEM_NFTABLES]);
        self.writer.end(start);
        let fail = |errno| NetlinkError::new("commit an nftables batch", errno, None);
        socket.reserve(self.writer.len())?;
        socket.send(self.writer.bytes()).map_err(fail)?;
        self.outcome(socket)
    }

    fn outcome(&self, socket: &mut Socket) -> Result<(), NetlinkError> {
        let fail = |errno| NetlinkError::new("commit an nftables batch", errno, None);
        let (mut acknowledged, mut first_refusal) = (false, None);
        loop {
            let length = match socket.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(fail(errno)),
            };
            for reply in message::replies(&socket.buffer[..length]) {
                if reply.kind != NLMSG_ERROR {
                    continue;
                }
                match refusal(&reply) {
                    None => acknowledged = true,
                    Some((errno, detail)) => {
                        first_refusal.get_or_insert((reply.sequence, errno, detail));
                    }
                }
            }
        }
        match first_refusal {
            Some((sequence, errno, detail)) => {
                Err(NetlinkError::new(self.attempt(sequence), errno, detail))
            }
            None if acknowledged => Ok(()),
            None => Err(fail(Errno::EPROTO)),
        }
    }

    fn attempt(&self, sequence: u32) -> &str {
        let index = (sequence as usize).checked_sub(1);
        index
            .and_then(|index| self.attempts.get(index))
            .map_or("commit an nftables batch", String::as_str)
    }
}
