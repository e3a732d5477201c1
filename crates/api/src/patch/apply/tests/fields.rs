//! FieldsV1, there and back.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(fields: Value) {
    let set = FieldSet::from_fields_v1(&fields).unwrap();
    assert_eq!(set.to_fields_v1(), fields);
}

#[test]
fn fields_v1_reads_and_writes_the_same() {
    check(json!({}));
    check(json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b/c": {}}}}));
    check(json!({"f:finalizers": {"v:\"x/y\"": {}, "v:1": {}, "v:true": {}, "v:null": {}}}));
    check(
        json!({"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:x": {}}}}),
    );
    check(json!({"f:atomic": {"i:0": {}, "i:-1": {}}}));
    check(json!({"f:set": {"v:\"a\\u003cb\\u0026c\\u003e\"": {}}}));
}

#[test]
fn odd_but_lawful_fields_v1_are_understood() {
    let read = |fields| FieldSet::from_fields_v1(&fields).map(|set| set.to_fields_v1());
    assert_eq!(read(Value::Null), Ok(json!({})));
    assert_eq!(read(json!({"f:a": null})), Ok(json!({"f:a": {}})));
    assert_eq!(read(json!({"f:a": {".": {}}})), Ok(json!({"f:a": {}})));
    assert_eq!(read(json!({".": {}, "f:a": {}})), Ok(json!({"f:a": {}})));
    assert_eq!(read(json!({"x:new": {"f:b": {}}, "f:a": {}})), Ok(json!({"f:a": {}})));
    assert_eq!(read(json!({"k:{\"b\": 1, \"a\": 2}": {}})), Ok(json!({"k:{\"a\":2,\"b\":1}": {}})));
}

#[test]
fn broken_fields_v1_are_refused() {
    for broken in [
        json!([]),
        json!("f:a"),
        json!({"f:a": 1}),
        json!({"a": {}}),
        json!({"": {}}),
        json!({"abc": {}}),
        json!({"v:": {}}),
        json!({"k:[]": {}}),
        json!({"k:{": {}}),
        json!({"i:x": {}}),
        json!({"é:": {}}),
    ] {
        assert!(FieldSet::from_fields_v1(&broken).is_err(), "{broken}");
    }
}

#[test]
fn sets_are_sorted_as_upstream_sorts_them() {
    let mut set = FieldSet::default();
    let scalar = |value: Value| PathElement::Value(Scalar(value));
    for value in [json!("b"), json!(10), json!(true), json!("a"), json!(9.5), json!(9)] {
        set.insert(&[scalar(value)]);
    }
    set.insert(&[PathElement::field("z")]);
    let mut order = Vec::new();
    set.for_each(&mut |path| order.push(path.to_string()));
    assert_eq!(order, [".z", "[=9]", "[=9.5]", "[=10]", "[=\"a\"]", "[=\"b\"]", "[=true]"]);
}

#[test]
fn the_operations_of_sets_work_on_paths_not_on_subtrees() {
    let one = FieldSet::of_fields(&[&["a"], &["a", "b"], &["c", "d"]]);
    let two = FieldSet::of_fields(&[&["a"], &["c"], &["c", "e"]]);
    let of = FieldSet::of_fields;
    let both = one.clone().union(two.clone());
    assert_eq!(both, of(&[&["a"], &["a", "b"], &["c", "d"], &["c"], &["c", "e"]]));
    assert_eq!(one.intersection(&two), of(&[&["a"]]));
    assert!(one.is_subset(&both) && two.is_subset(&both) && !both.is_subset(&one));
    assert_eq!(one.clone().difference(&two), of(&[&["a", "b"], &["c", "d"]]));
    assert_eq!(one.recursive_difference(&two), FieldSet::default());
}

/// Sets of any shape.
fn sets() -> impl Strategy<Value = FieldSet> {
    let element = prop_oneof![
        "[a-c]".prop_map(PathElement::Field),
        (0..3).prop_map(|n| PathElement::Value(Scalar(json!(n)))),
        "[a-c]".prop_map(|s| PathElement::Key(vec![("name".to_owned(), Scalar(json!(s)))])),
    ];
    let path = proptest::collection::vec(element, 1..5);
    proptest::collection::vec(path, 0..12).prop_map(|paths| {
        let mut set = FieldSet::default();
        paths.iter().for_each(|path| set.insert(path));
        set
    })
}

/// JSON that looks like FieldsV1 here and there.
fn hostile() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        "[fkvi]:.{0,6}",
        Just(".".to_owned()),
        Just("k:{\"a\":[[1]]}".to_owned()),
        ".{0,4}",
    ];
    let leaf = prop_oneof![Just(json!({})), Just(json!(null)), Just(json!(1)), Just(json!([]))];
    leaf.prop_recursive(8, 64, 5, move |inner| {
        proptest::collection::vec((key.clone(), inner), 0..5)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    })
}

proptest! {
    #[test]
    fn any_set_survives_fields_v1(set in sets()) {
        prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()), Ok(set));
    }

    #[test]
    fn sets_obey_the_laws_of_sets(one in sets(), two in sets()) {
        let both = one.clone().union(two.clone());
        prop_assert_eq!(&both, &two.clone().union(one.clone()));
        prop_assert!(one.is_subset(&both) && two.is_subset(&both));
        prop_assert_eq!(one.intersection(&two), two.intersection(&one));
        let rest = one.clone().difference(&two);
        prop_assert!(rest.intersection(&two).is_empty());
        prop_assert_eq!(rest.is_empty(), one.is_subset(&two));
        prop_assert_eq!(rest.union(one.intersection(&two)), one);
    }

    #[test]
    fn a_set_that_is_pushed_in_any_order_is_the_one_that_is_inserted(
        one in sets(), two in sets(), elements in proptest::collection::vec(("[a-c]", any::<bool>()), 0..6)
    ) {
        let (mut pushed, mut inserted) = (FieldSet::default(), FieldSet::default());
        for (index, (name, is_member)) in elements.iter().enumerate() {
            let element = PathElement::field(name);
            let below = if index % 2 == 0 { &one } else { &two };
            pushed.push(&element, *is_member, below.clone());
            if *is_member {
                inserted.insert(std::slice::from_ref(&element));
            }
            below.for_each(&mut |path| {
                let path: Vec<_> = [&element].into_iter().chain(&path.0).cloned().collect();
                inserted.insert(&path);
            });
        }
        prop_assert_eq!(pushed.sorted(), inserted);
    }

    #[test]
    fn hostile_fields_v1_never_panic_and_settle_at_once(fields in hostile()) {
        if let Ok(set) = FieldSet::from_fields_v1(&fields) {
            let written = set.to_fields_v1();
            prop_assert_eq!(FieldSet::from_fields_v1(&written), Ok(set));
        }
    }
}
