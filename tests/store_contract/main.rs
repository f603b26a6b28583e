//! What every store promises (`dunlin::store::durable`), asked of each of them in the same words.
//!
//! A promise is a function that takes an open store, in a file with those of its kind; which stores are asked is said here,
//! and how each is opened in [`implementations`]. No promise knows more of a place in an inbox than its order, nor that a
//! future is ready at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod age;
mod batch;
mod bodies;
mod cap;
mod counts;
mod discard;
mod early;
mod expiry;
mod fixture;
mod forget;
mod implementations;
mod in_flight;
mod late;
mod made;
mod model;
mod order;
mod pages;
mod qos2;
mod ranges;
mod records;
mod restart;
mod retained;
mod unawaited;
mod whole;

/// Makes a test of each promise.
macro_rules! promises {
    ($open:path; $($module:ident { $($promise:ident,)* })*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $promise() {
                crate::$module::$promise(&mut $open().await).await;
            })*
        })*

        #[test]
        fn it_answers_as_the_model_does() {
            crate::model::it_answers_as_the_model_does(&|| Box::pin($open()));
        }
    };
}

/// Asks a store for all that is promised.
macro_rules! contract {
    ($($implementation:ident),*) => { $(mod $implementation {
        promises! { crate::implementations::$implementation;
            order {
                messages_come_in_the_order_of_their_batches,
                each_session_keeps_its_order_under_many_threads,
                a_session_keeps_the_order_of_each_of_its_writers,
            }
            batch {
                changes_of_a_batch_happen_in_their_order,
                nobody_sees_half_of_a_batch,
                one_that_was_not_awaited_is_whole_or_absent_after_a_restart,
            }
            unawaited {
                a_read_sees_what_was_committed_before,
                a_load_sees_what_was_saved_before,
                a_save_sees_what_was_saved_before,
                what_was_discarded_before_is_not_seen,
                an_acknowledge_meets_what_was_appended_before,
                retained_messages_are_seen_at_once,
            }
            pages {
                an_inbox_is_read_page_by_page,
                an_empty_inbox_is_one_empty_page,
                a_page_looks_past_what_it_does_not_show,
                what_comes_meanwhile_is_behind_the_page,
            }
            ranges {
                from_the_front,
                from_the_middle,
                one_by_one_in_any_order,
                those_that_are_not_there_are_no_error,
                of_all_states,
            }
            cap {
                the_oldest_of_the_instance_makes_room,
                what_is_acknowledged_makes_room_itself,
                what_is_sent_counts_and_can_go,
                what_is_released_does_not_count_and_stays,
                instances_do_not_make_room_for_each_other,
                a_batch_may_be_larger,
                zero_takes_nothing,
                without_limits_nothing_is_taken,
                a_lower_one_holds_from_the_next_message_on,
                it_is_exact_under_many_threads,
            }
            age {
                a_message_that_is_too_old_is_not_read,
                what_is_too_old_goes_and_is_counted_once,
                a_sent_one_grows_old,
                a_released_one_does_not,
                tidying_takes_what_is_too_old_and_nothing_else,
            }
            expiry {
                a_message_expires_while_it_is_stored,
                one_that_expired_behind_others_is_passed_over,
                what_was_sent_before_is_owed_still,
            }
            bodies {
                many_share_one,
                large_and_empty_ones_come_back,
                every_property_comes_back,
                a_delivery_keeps_what_is_its_own,
            }
            in_flight {
                what_is_sent_is_loaded_and_not_read,
                a_message_may_be_sent_as_it_comes,
                it_comes_back_in_the_order_of_the_inbox,
                a_packet_id_may_change,
                nothing_happens_to_what_is_not_there,
                a_place_belongs_to_its_session,
                waiting_says_whether_there_is_more,
            }
            qos2 {
                outbound_it_goes_from_publish_to_pubrel_to_nothing,
                inbound_ids_are_kept_until_pubrel,
                inbound_ids_belong_to_their_session,
            }
            discard {
                nothing_is_left_of_the_session,
                others_keep_all,
                the_next_session_of_that_name_begins_anew,
                places_are_not_given_again,
                a_revision_from_before_is_stale,
            }
            early {
                an_inbox_stands_without_a_record,
                what_came_before_the_record_is_loaded_with_it,
            }
            records {
                there_is_none_at_first,
                each_save_has_its_revision,
                who_comes_late_is_told,
                of_many_one_wins,
                a_record_is_replaced_as_a_whole,
                sessions_are_listed,
            }
            whole {
                a_full_record_comes_back,
                names_may_be_anything,
            }
            retained {
                a_message_is_set_replaced_and_deleted,
                filters_find_theirs,
                they_expire,
                instances_have_their_own,
                they_are_counted,
                they_come_back_as_they_were,
            }
            forget {
                nothing_is_left_of_the_instance,
                other_instances_keep_all,
                it_can_begin_anew,
                instances_are_listed_until_they_are_forgotten,
            }
            counts {
                messages_are_counted_by_instance_and_in_all,
                a_message_is_offline_after_a_while,
                what_is_gone_is_not_offline,
                a_store_at_rest_is_well,
            }
            restart {
                everything_is_there_again,
                places_do_not_go_back_though_all_was_acknowledged,
                places_do_not_go_back_though_the_session_was_discarded,
                a_revision_holds_over_it,
                the_cap_is_exact_over_it,
                what_was_evicted_does_not_return,
                age_and_expiry_go_on,
                without_limits_all_is_kept_and_nothing_taken,
                many_in_a_row_lose_nothing,
            }
        }
    })* };
}

contract!(memory, late_memory, embedded, embedded_in_small_segments);
