use std::sync::Arc;

use super::*;
use crate::admin::Failure;
use crate::admin::api::CreateInstance;
use crate::hooks::credentials::Credentials;
use crate::shard::{Statuses, Tenants};
use crate::store::memory::MemoryStore;
use crate::time::Clock;

/// The instances of a broker without a shard.
fn start(settings: &[&str]) -> Instances {
    let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
    let open = concat!(env!("CARGO_MANIFEST_DIR"), "/dunlin.open.toml");
    let none: [(&str, &str); 0] = [];
    let config = Config::load(Some(open.as_ref()), &settings, none).unwrap();
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        tenants: Tenants::new(
            InstanceId::new(&config.instance.id),
            config.endpoints.hosts.clone(),
            config.endpoints.unknown_host,
        ),
        limits: settings::limits(&config),
        store: Arc::new(MemoryStore::default()),
        registry: Arc::default(),
        wanted_parents: tokio::sync::mpsc::channel(1).0,
        wanted_certificates: tokio::sync::mpsc::channel(1).0,
        statuses: Statuses::default(),
        controls: Vec::new(),
        hook_metrics: Arc::default(),
        observer_queue: 1,
        match_cache: 1,
        home_seed: std::hash::RandomState::new(),
        of_itself: Default::default(),
        persistent: Vec::new(),
    });
    Instances::open(&config, &shared).unwrap()
}

#[tokio::test]
async fn nothing_of_a_deleted_instance_stays_in_the_registry() {
    let instances = start(&[]);
    let made = instances.create(CreateInstance::default()).await.unwrap();
    let id = made.id.as_str();
    instances
        .create_name(Some(id), Names::Groups, "GID_one")
        .await
        .unwrap();
    instances
        .create_name(Some(id), Names::Topics, "one")
        .await
        .unwrap();
    let credentials = Credentials::of(instances.registry(), id, instances.now());
    credentials.create_key(None, None).await.unwrap();
    credentials.register("GID_one@@@1").await.unwrap();
    credentials.put_on_black_list("GID_one@@@2").await.unwrap();
    assert_eq!(instances.registry().len(), 6);
    instances.delete(id).await.unwrap();
    assert!(instances.registry().is_empty());
    assert!(matches!(instances.get(Some(id)), Err(Failure::NotFound(_))));
}

#[tokio::test]
async fn an_instance_of_the_configuration_leaves_no_record_when_nothing_is_set_for_it() {
    let instances = start(&[]);
    let id = instances.get(None).unwrap().id.clone();
    let set = BTreeMap::from([("limits.tps".to_owned(), "7".to_owned())]);
    instances.set(id.as_str(), set).await.unwrap();
    assert_eq!(instances.get(None).unwrap().limits.tps, 7);
    instances
        .unset(id.as_str(), &["limits.tps".to_owned()])
        .await
        .unwrap();
    assert_eq!(instances.get(None).unwrap().limits.tps, u32::MAX);
    assert!(instances.registry().is_empty());
}

#[tokio::test]
async fn names_are_made_once_however_many_want_them() {
    let instances = Arc::new(start(&["limits.parent_topics=5"]));
    let wishes = (0..40).map(|n| {
        let instances = Arc::clone(&instances);
        let name = format!("{}opic{}", if n % 2 == 0 { 't' } else { 'T' }, n / 4);
        tokio::spawn(async move { instances.create_name(None, Names::Topics, &name).await })
    });
    let wishes: Vec<_> = wishes.collect();
    let mut made = 0;
    for wish in wishes {
        made += usize::from(wish.await.unwrap().is_ok());
    }
    assert_eq!((made, instances.get(None).unwrap().parents.len()), (5, 5));
}
