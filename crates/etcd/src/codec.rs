//! Messages in and out of streams, with buffers that begin small.
//!
//! The usual codec takes 8 KiB for each direction of each call at once. A watch that waits for
//! hours holds both, and there may be thousands.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a buffer has before it is needed.
const BUFFER_BYTES: usize = 256;
/// Messages that are ready are sent together up to here.
const SENT_TOGETHER_BYTES: usize = 32 << 10;

/// The codec of every service and client.
pub(crate) struct SmallCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for SmallCodec<E, D> {
    fn default() -> Self {
        SmallCodec(PhantomData)
    }
}

impl<E, D> Codec for SmallCodec<E, D>
where
    E: Message + 'static,
    D: Message + Default + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = ProstDecoder<D>;

    fn encoder(&mut self) -> ProstEncoder<E> {
        ProstCodec::<E, D>::raw_encoder(settings())
    }

    fn decoder(&mut self) -> ProstDecoder<D> {
        ProstCodec::<E, D>::raw_decoder(settings())
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, SENT_TOGETHER_BYTES)
}
