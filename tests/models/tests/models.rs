//! Runs every model.

macro_rules! models {
    ($($of:ident: $($name:ident),* $(,)?;)*) => {$(
        mod $of {
            $(
                #[test]
                fn $name() {
                    dunlin_models::models::$of::$name();
                }
            )*
        }
    )*};
}
models! {
    tickets:
        complete_and_close, two_complete_one_ticket, one_of_two_is_taken, late_for_the_call_before, what_is_asked, poll_and_complete,
        give_up_and_reuse, give_up_waiting, two_new_lanes_while_one_is_answered;
    errands:
        a_timer_runs_at_the_end, a_timer_dawdles_at_the_end, a_timer_is_set_at_the_end, a_timer_comes_while_another_waits, timers_set_timers, a_question_is_answered_at_the_end,
        a_question_is_put_at_the_end;
    lives: the_last_desk_ends_it, a_call_that_waits_keeps_it, a_call_is_given_up, create_refuses_and_its_timer_runs, timers_while_it_ends;
    swap: it_serves_throughout;
}
