//! A WebSocket client, as small as tests need it: it shows every byte, and waits for no library.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub struct WebSocket {
    stream: BufReader<TcpStream>,
    /// What the server has chosen.
    pub protocol: String,
}

impl WebSocket {
    /// Opens one; the error is the first line of a refusal.
    pub fn open(at: SocketAddr, path: &str, protocol: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(at).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a bound");
        let mut stream = BufReader::new(stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        stream.get_mut().write_all(request.as_bytes()).expect("a request");
        let (mut first, mut chosen) = (String::new(), String::new());
        stream.read_line(&mut first).expect("an answer");
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("sec-websocket-protocol")
            {
                chosen = value.trim().to_owned();
            }
        }
        match first.contains(" 101 ") {
            true => Ok(Self { stream, protocol: chosen }),
            false => Err(first),
        }
    }

    /// Sends one binary message.
    pub fn send(&mut self, message: &[u8]) {
        // Masked with nothing, as clients must mask.
        let mut frame = vec![0x82];
        match u8::try_from(message.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                let length = u16::try_from(message.len()).expect("a short message");
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(message);
        self.stream.get_mut().write_all(&frame).expect("a message");
    }

    /// The next message; `None` when the server closes.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()),
            short => u64::from(short),
        };
        let mut message = vec![0; usize::try_from(length).expect("a length")];
        self.stream.read_exact(&mut message).expect("a whole message");
        (head[0] & 0x0f != 8).then_some(message)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("a length");
        bytes
    }
}
