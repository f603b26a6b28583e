//! The composition root: builds everything, starts it, reloads policies, drains and stops.
//!
//! *Invariant*: nothing below this module knows how many of anything there are, or in which order they start.

mod admin;
mod authorities;
mod certificates;
mod chain;
mod diff;
mod end;
mod housekeeping;
mod instances;
mod listeners;
mod metrics;
mod operations;
mod records;
mod reload;
mod settings;
mod shards;
mod socket;
mod store;
mod sys;
mod wishes;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::admin::{AdminState, Readiness, State};
use crate::config::{Config, Source};
use crate::hooks::{Generation, HookMetrics, MetersOf, PolicyMetrics, Reloader, Services};
use crate::instance::InstanceId;
use crate::listener::Gate;
use crate::metrics::{Exporter, Metrics};
use crate::shard::{Control, Shared, Statuses, Tenants};
use crate::store::registry::{FileKeeper, Registry};
use crate::time::Clock;
use crate::transport::tls::Authorities;
use admin::Ways;
use authorities::Registered;
use instances::Instances;
use metrics::InstanceMetrics;
use operations::Broker;
pub use reload::{policies, refused};
use shards::Running;
pub use store::open as open_store;
use wishes::Wishes;

/// Results of topic look-ups that a shard remembers.
const MATCH_CACHE: usize = 65_536;

/// Where copies of plugins lie, in the data folder, for the moment that it takes to map them.
const PLUGIN_COPIES: &str = "run/plugins";

/// How long plugins may take at the end, all together.
const PLUGINS_END: Duration = Duration::from_secs(10);

/// How much longer than draining and plugins the rest of the end may take.
const AT_THE_END: Duration = Duration::from_secs(5);

/// Parent topics that may wait to be made.
const WANTED_PARENTS: usize = 64;

/// Events that may wait for observers on one shard.
const OBSERVER_QUEUE: usize = 8_192;

/// Serves until the process is told to stop (SIGTERM, SIGINT), then drains.
///
/// # Errors
/// What keeps it from starting, in a sentence that says what to change.
pub fn serve(config: &Config) -> anyhow::Result<()> {
    // Policies may read it as they are loaded.
    let keeper = Arc::new(FileKeeper::open(&config.server.data)?);
    serve_with(config, &Arc::new(Registry::open(keeper)?))
}

/// The same with this registry.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(config: &Config, registry: &Arc<Registry>) -> anyhow::Result<()> {
    let count = config.server.shard_count().max(1);
    let metrics = Metrics::new(count);
    let hook_metrics = Arc::new(HookMetrics::default());
    let chain = reload::policies(config)?;
    let services = Arc::new(Services::default());
    services.keep_plugins_in(&config.server.data.join(PLUGIN_COPIES));
    services.read_registry(registry);
    let loaded = Generation::load(1, &chain.0, &config.policy_defaults, &chain.1, &services);
    let generation = Arc::new(loaded.map_err(reload::refused)?);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the main runtime could not be built")?;
    // Before anybody can connect: from the first client on, SIGTERM means to drain.
    let mut signals = {
        let _context = runtime.enter();
        Signals::new()?
    };

    // Ports first: when one is taken nothing else has happened yet.
    let ways = Ways::open(config)?;
    let authorities = Arc::new(Authorities::default());
    let opened = listeners::open(config, count, &authorities)?;
    let gate = Gate::new(settings::gate(
        config.limits.connections,
        config.limits.connection_rate,
    ));

    let (wanted_parents, wanted) = mpsc::channel(WANTED_PARENTS);
    let (wanted_certificates, new_certificates) = mpsc::channel(certificates::WAITING);
    let (controls, lanes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        tenants: Tenants::new(
            InstanceId::new(&config.instance.id),
            config.endpoints.hosts.clone(),
            config.endpoints.unknown_host,
        ),
        limits: settings::limits(config),
        store: store::open(config)?,
        registry: Arc::clone(registry),
        wanted_parents,
        wanted_certificates,
        statuses: Statuses::default(),
        controls,
        hook_metrics: Arc::clone(&hook_metrics),
        observer_queue: OBSERVER_QUEUE,
        match_cache: MATCH_CACHE,
        home_seed: std::hash::RandomState::new(),
        of_itself: Default::default(),
        persistent: (0..count).map(|_| AtomicI64::new(0)).collect(),
    });
    let instances = Arc::new(Instances::open(config, &shared)?);
    let changes = registry.watch();
    let changes_of_authorities = registry.watch();
    let authorities = Registered::open(&shared, authorities);
    let sessions = runtime
        .block_on(shared.store.sessions())
        .context("the stored sessions could not be read")?;
    let running = Running::start(
        &shared,
        sessions,
        &generation,
        lanes,
        &metrics,
        opened.sockets,
        &gate,
        config,
    )?;

    // The shards have its plugins now.
    generation.let_go();
    services.serve(Box::new(Wishes(Arc::clone(&shared))));
    let result = runtime.block_on(async {
        tokio::spawn(Arc::clone(&instances).make_parents(wanted));
        tokio::spawn(records::run(Arc::clone(&shared), changes));
        tokio::spawn(Arc::clone(&authorities).run(changes_of_authorities));
        tokio::spawn(certificates::run(Arc::clone(&instances), new_certificates));
        tokio::spawn(housekeeping::run(Arc::clone(&instances)));
        tokio::spawn(store::tend(Arc::clone(&shared)));
        let reloader = reload::start(config, chain, &shared, generation, &services)?;
        let readiness = Arc::new(Readiness::default());
        let exporter = Exporter::new(Arc::clone(&metrics));
        exporter.register(Box::new(MetersOf(Arc::clone(&services))));
        exporter.register(Box::new(InstanceMetrics(Arc::clone(&shared))));
        exporter.register(Box::new(store::StoreMetrics(Arc::clone(&shared))));
        exporter.register(Box::new(PolicyMetrics {
            hooks: Arc::clone(&hook_metrics),
            reloader: Arc::clone(&reloader),
            services: Arc::clone(&services),
        }));
        let state = AdminState {
            exporter: Arc::new(exporter),
            readiness: Arc::clone(&readiness),
            connections: config.admin.connections,
            request_timeout: config.admin.request_timeout,
        };
        let broker = Broker::new(
            &shared,
            &instances,
            &authorities,
            &metrics,
            &reloader,
            &readiness,
            source(config),
        );
        let _serving = ways.serve(state, broker)?;
        supervise(
            config,
            &shared,
            &metrics,
            &reloader,
            &readiness,
            &gate,
            &mut signals,
        )
        .await
    });
    // With it goes the last who might still reload, while the shards are there to answer.
    drop(runtime);
    running.stop();
    if !services.plugins_have_ended(PLUGINS_END) {
        tracing::warn!("some plugins have not ended their threads; the process ends them");
    }
    result
}

/// Where the settings are from.
fn source(config: &Config) -> String {
    match &config.source {
        Source::File(path) => path.display().to_string(),
        Source::BuiltIn => "built in".to_owned(),
        Source::Defaults => "defaults".to_owned(),
    }
}

/// The main thread's part: `$SYS`, reload, signals.
async fn supervise(
    config: &Config,
    shared: &Arc<Shared>,
    metrics: &Arc<Metrics>,
    reloader: &Reloader,
    readiness: &Readiness,
    gate: &Arc<Gate>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    if let Some(interval) = config.mqtt.sys_interval {
        tokio::spawn(sys::run(Arc::clone(shared), Arc::clone(metrics), interval));
    }
    readiness.advance(State::Ready);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        shards = shared.controls.len(),
        instance = %shared.tenants.default_id(),
        config = source(config),
        "Dunlin serves",
    );
    loop {
        match signals.next().await {
            Signal::Stop(name) => {
                tracing::info!(signal = name, "stopping");
                break;
            }
            Signal::Reload => reload::now(reloader),
        }
    }
    let patience = config.server.drain_timeout;
    end::within(patience.saturating_add(PLUGINS_END + AT_THE_END));
    readiness.advance(State::Draining);
    gate.drain();
    drain(shared, config.server.drain_timeout).await;
    if let Err(error) = shared.store.sync().await {
        tracing::error!(%error, "the store may not have everything on the disk");
    }
    Ok(())
}

/// Tells every client to go, and waits until they are gone or the time for it is over.
async fn drain(shared: &Shared, patience: Duration) {
    let mut drained = Vec::new();
    for shard in 0..shared.controls.len() {
        let (reply, done) = oneshot::channel();
        shared.control(u16::try_from(shard).unwrap_or(u16::MAX), Control::Drain(reply));
        drained.push(done);
    }
    let all = async {
        for done in drained {
            let _gone = done.await;
        }
    };
    match tokio::time::timeout(patience, all).await {
        Ok(()) => tracing::info!("all connections are closed"),
        Err(_) => tracing::warn!(?patience, "some connections did not close in time"),
    }
}

/// What the operating system asks for.
enum Signal {
    Stop(&'static str),
    Reload,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Told to stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {},
            _ = self.interrupt.recv() => {},
        }
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}
