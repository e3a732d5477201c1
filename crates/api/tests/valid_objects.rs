//! What kubectl makes is taken as it is: new, and written back unchanged.

use std::path::Path;

use sampan_api::{Gvk, defaults, validation};

#[test]
fn objects_that_kubectl_makes_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl");
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let mut object: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let gvk = Gvk::of(&object).expect("kubectl names the kind");
        defaults::apply(&gvk, &mut object);
        if gvk.kind == "Job" {
            // The server chooses a Job's pods when it is created, unless the Job does itself.
            let labels = serde_json::json!({"job": "once"});
            object["spec"]["manualSelector"] = true.into();
            object["spec"]["selector"] = serde_json::json!({"matchLabels": labels});
            object["spec"]["template"]["metadata"]["labels"] = labels;
        }
        assert_eq!(validation::create(&gvk, &object), [], "{}", path.display());
        assert_eq!(validation::update(&gvk, &object, &object), [], "{}", path.display());
        count += 1;
    }
    assert!(count > 5, "only {count} objects in {}", folder.display());
}
