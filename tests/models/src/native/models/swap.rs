//! A swap to a generation that keeps the instance: it serves all the time.

use super::orders;
use super::plugin::{Seen, alive};
use crate::native::desk::Desk;
use crate::native::instance::Instance;
use crate::native::lives::Lives;
use crate::native::succession::take_over;
use crate::native::sync::thread::spawn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A chain of one entry.
type Chain = Rc<Desk>;

fn chain(instance: &Arc<Instance>) -> Chain {
    Rc::new(Desk::new(instance.clone()))
}

fn swap(serving: &mut Chain, next: Chain) -> Chain {
    take_over(
        serving,
        next,
        |next| next.set_active(true),
        |before| before.set_active(false),
    )
}

/// Two shards swap, each when it likes, and one of them goes back; a thread of the plugin looks whether it serves.
pub fn it_serves_throughout() {
    orders(2, || {
        let (seen, lives) = (Seen::new(), Arc::<Lives>::default());
        let instance = alive(&seen, &lives);
        let world = instance.world();
        let mut here = chain(&instance);
        here.set_active(true);
        let there = instance.clone();
        let shard = spawn(move || {
            let mut serving = chain(&there);
            serving.set_active(true);
            let before = swap(&mut serving, chain(&there));
            assert!(world.serves());
            drop(before);
            assert!(world.serves());
        });
        let looks = spawn(move || assert!(world.serves() && world.serves(), "it ceases to serve in a swap"));
        let before = swap(&mut here, chain(&instance));
        assert!(world.serves());
        let failed = swap(&mut here, before);
        failed.retire("rolled back");
        drop(failed);
        assert!(world.serves());
        looks.join().expect("it does not panic");
        shard.join().expect("it does not panic");
        assert!(world.serves());
        drop(here);
        assert!(!world.serves(), "no chain is left");
        drop(instance);
        assert!(lives.have_ended(Duration::from_secs(3600)));
        seen.has_ended();
    });
}
