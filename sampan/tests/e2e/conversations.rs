//! All conversations of the crate of that name, held with the real binary.

use conversations::{Conversation, Server, hold_all};

use crate::boat::{Boat, is_root, skip};

#[test]
fn every_conversation_goes_as_kubernetes_would_have_it() {
    let name = "every_conversation_goes_as_kubernetes_would_have_it";
    if !is_root() {
        return skip(name, "it needs root");
    }
    let boat = Boat::afloat("conversations");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let failures: Vec<String> = runtime.block_on(async {
        let kubeconfig = boat.data_dir().join("kubeconfig");
        let server = Server::of_kubeconfig(&kubeconfig, None).await.expect("the boat's kubeconfig");
        let all = Conversation::all().expect("the files");
        let held = hold_all(&server, &all).await;
        held.iter().flat_map(|one| &one.failures).map(|error| format!("{error:#}")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
