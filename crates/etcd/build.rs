//! Makes messages, servers and clients of the proto files, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "etcdserverpb/kv.proto",
        "etcdserverpb/watch.proto",
        "etcdserverpb/lease.proto",
        "etcdserverpb/cluster.proto",
        "etcdserverpb/maintenance.proto",
        "etcdserverpb/auth.proto",
        "v3lockpb.proto",
        "v3electionpb.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::SmallCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
