//! What nobody asks for and somebody has to do now and then: records that have lost their meaning go.

use std::sync::Arc;
use std::time::Duration;

use super::instances::Instances;
use crate::hooks::credentials::forget_expired;

/// How often.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Tidies up at once, and then every hour.
pub(super) async fn run(instances: Arc<Instances>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for tenant in instances.all() {
            match forget_expired(instances.registry(), tenant.id.as_str(), instances.now()).await {
                Ok(0) => {}
                Ok(gone) => {
                    tracing::debug!(instance = %tenant.id, gone, "revocations of expired tokens were forgotten");
                }
                Err(error) => {
                    tracing::warn!(instance = %tenant.id, %error, "revocations of expired tokens stay");
                }
            }
        }
    }
}
