//! Any changes, with the process ending now and then: the same as in a plain map.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Write>),
    Reopen,
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has none", |f| f.is_finite())
            .prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,4}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_write() -> impl Strategy<Value = Write> {
    let expect = prop_oneof![
        5 => Just(Expect::Whatever),
        1 => Just(Expect::Nothing),
        1 => Just(Expect::Something),
        2 => (0..4_u64).prop_map(|revision| Expect::Exactly(Revision(revision))),
    ];
    let key = (0..3_usize, 0..4_usize).prop_map(|(kind, name)| {
        let kinds = ["group", "key", "group2"];
        RecordKey::new("i", kinds[kind], ["a", "b", "aa", "ü"][name])
    });
    let value = proptest::option::weighted(0.7, vec(("[a-z]{0,3}", any_value()), 0..3));
    (key, value, expect).prop_map(|(key, value, expect)| Write {
        key,
        value: value.map(|fields| fields.into_iter().collect()),
        expect,
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => vec(any_write(), 1..4).prop_map(Step::Write),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model(BTreeMap<RecordKey, Record>);

impl Model {
    /// Were all wishes fulfilled?
    fn write(&mut self, writes: &[Write]) -> bool {
        let revision = |key: &RecordKey| self.0.get(key).map_or(0, |record| record.revision.0);
        let fits = |write: &Write| match write.expect {
            Expect::Whatever => true,
            Expect::Nothing => revision(&write.key) == 0,
            Expect::Something => revision(&write.key) > 0,
            Expect::Exactly(Revision(expected)) => revision(&write.key) == expected,
        };
        if !writes.iter().all(fits) {
            return false;
        }
        let next: Vec<u64> = writes.iter().map(|write| revision(&write.key) + 1).collect();
        for (write, next) in writes.iter().zip(next) {
            let revision = Revision(next);
            match write.value.clone() {
                Some(value) => self.0.insert(write.key.clone(), Record { value, revision }),
                None => self.0.remove(&write.key),
            };
        }
        true
    }
}

fn same(registry: &Registry, model: &Model) {
    let records = all(registry);
    let wanted: Vec<_> = model.0.clone().into_iter().collect();
    let values = |records: &[(RecordKey, Record)]| {
        format!("{:?}", records.iter().map(|(_, r)| &r.value).collect::<Vec<_>>())
    };
    assert_eq!(records, wanted, "{} {}", values(&records), values(&wanted));
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = quick_folder();
    let (mut registry, mut model) = (open(folder.path()), Model::default());
    for step in steps.into_iter().chain([Step::Reopen]) {
        match step {
            Step::Write(writes) => {
                let should = model.write(&writes);
                let did = runtime.block_on(registry.write(writes));
                assert_eq!(did.is_ok(), should, "{did:?}");
            }
            Step::Reopen => {
                drop(registry);
                registry = open(folder.path());
            }
        }
        same(&registry, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_file_is_a_map(steps in vec(any_step(), 1..25)) {
        run(steps);
    }
}
