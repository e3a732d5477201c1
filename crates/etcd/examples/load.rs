//! Closed loops of puts against an etcd, of any make: `load URL [CLIENTS] [SECONDS] [put|get]`.
//! Says how many there were each second and how long they took.

use std::error::Error;
use std::time::{Duration, Instant};

use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::{PutRequest, RangeRequest};
use tonic::transport::{Channel, Endpoint};

const KEYS: usize = 1_000;
const VALUE_BYTES: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("which url?")?;
    let clients: usize = arguments.next().unwrap_or_else(|| "64".into()).parse()?;
    let seconds: u64 = arguments.next().unwrap_or_else(|| "5".into()).parse()?;
    let gets = arguments.next().as_deref() == Some("get");
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for number in 0..clients {
        let channel = Endpoint::from_shared(url.clone())?.tcp_nodelay(true).connect().await?;
        tasks.push(tokio::spawn(client(KvClient::new(channel), number * 7919, until, gets)));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let rate = times.len() as f64 / seconds as f64;
    println!("{clients} clients: {rate:.0}/s, p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(())
}

async fn client(
    mut kv: KvClient<Channel>,
    mut index: usize,
    until: Instant,
    gets: bool,
) -> Result<Vec<Duration>, tonic::Status> {
    let mut times = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return Ok(times);
        }
        let key = format!("load/{:08}", index % KEYS).into();
        if gets {
            kv.range(RangeRequest { key, ..Default::default() }).await?;
        } else {
            let value = vec![b'v'; VALUE_BYTES].into();
            kv.put(PutRequest { key, value, ..Default::default() }).await?;
        }
        times.push(asked.elapsed());
        index += 1;
    }
}
