//! Holds the generated code to the proto file.

use std::path::Path;

#[test]
fn the_generated_code_is_that_of_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = std::env::temp_dir().join(format!("payments-api-{}", std::process::id()));
    std::fs::create_dir_all(&out).unwrap();
    let descriptors = protox::compile(["payments.proto"], [root.join("proto")]).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(&out)
        .compile_fds(descriptors)
        .unwrap();
    let made = std::fs::read_to_string(out.join("shop.payments.v1.rs")).unwrap();
    std::fs::remove_dir_all(&out).unwrap();

    let kept = root.join("src/generated.rs");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, made).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(made == kept, "out of date: run `UPDATE=1 cargo test -p payments-api`");
}
