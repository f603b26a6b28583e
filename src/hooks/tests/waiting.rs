//! Calls that wait.

use super::*;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::answer::Said;
use crate::hooks::lua::fault::{Fault, FaultKind};
use crate::hooks::lua::sandbox::Sandbox;
use std::rc::Rc;
use std::time::Duration;

/// A state with a function `nap(seconds)` that waits.
fn sandbox() -> Sandbox {
    let host = Host::new("test", 16 << 20, &Arc::default());
    Sandbox::with(host, Rc::new(Modules::loaded(&[])), |lua, host| {
        host.waiting(lua, &lua.globals(), "nap", "nap", |_, seconds: f64| async move {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            Ok(seconds)
        })
    })
    .unwrap()
}

fn run(sandbox: &Sandbox, body: &str, budget: Duration) -> Result<Said, Fault> {
    let function = sandbox.lua.load(body).into_function().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let call = sandbox.ask_waiting(&function, budget, None, ()).unwrap();
    runtime.block_on(call).map(Said::read)
}

const BUDGET: Duration = Duration::from_millis(50);

#[test]
fn a_call_waits_and_goes_on() {
    let said = run(
        &sandbox(),
        "local a = nap(3600) local ok, b = pcall(nap, 2) return 'deny', a + b",
        BUDGET,
    );
    assert_eq!(said.unwrap().first.as_integer(), Some(3602));
}

#[test]
fn what_it_computes_is_limited_also_after_a_wait() {
    let fault = run(
        &sandbox(),
        "nap(1) while true do pcall(function() while true do end end) end",
        BUDGET,
    )
    .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
    // The time of the parts adds up.
    let many = "for i = 1, 1000 do local t = os.clock() while os.clock() - t < 0.005 do end nap(1) end return 'allow'";
    assert_eq!(
        run(&sandbox(), many, BUDGET).unwrap_err().kind,
        FaultKind::Timeout
    );
}

#[test]
fn who_may_not_wait_is_told_what_to_do() {
    let sandbox = sandbox();
    let function = sandbox.lua.load("nap(1)").into_function().unwrap();
    let fault = sandbox.call::<()>(&function, BUDGET, None, ()).unwrap_err();
    assert!(
        fault.message.contains("nap waits, and this hook does not"),
        "{fault}"
    );
    let inside =
        "local ok, why = coroutine.resume(coroutine.create(function() nap(1) end)) return 'deny', why";
    let said = run(&sandbox, inside, BUDGET).unwrap();
    let why = said.first.to_string().unwrap();
    assert!(why.contains("inside a coroutine of the script"), "{why}");
}

#[test]
fn calls_that_wait_do_not_disturb_each_other_nor_calls_between() {
    let sandbox = sandbox();
    let function = |body: &str| sandbox.lua.load(body).into_function().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let slow = sandbox
        .wait::<f64>(&function("return nap(10) + nap(10)"), BUDGET, None, ())
        .unwrap();
    let bad = sandbox
        .wait::<f64>(&function("nap(5) while true do end"), BUDGET, None, ())
        .unwrap();
    let between = function("return 7");
    let (slow, bad, between) = runtime.block_on(async {
        tokio::join!(slow, bad, async {
            tokio::time::sleep(Duration::from_secs(12)).await;
            sandbox.call::<i64>(&between, BUDGET, None, ())
        })
    });
    assert_eq!((slow.unwrap(), between.unwrap()), (20.0, 7));
    assert_eq!(bad.unwrap_err().kind, FaultKind::Timeout);
}
