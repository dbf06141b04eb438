//! The requirements on any store, as cases that run against `dyn Store`. A new store runs all of them through
//! `every_case!`, and adds tests only for its own features.

pub(super) mod accounts;
pub(super) mod deliveries;
pub(super) mod endpoints;
pub(super) mod hooks;
pub(super) mod inventory;
pub(super) mod journal;
pub(super) mod keys;
mod lab;
pub(super) mod mass_changes;
pub(super) mod pending;
pub(crate) mod plainly;
pub(super) mod polls;
pub(super) mod promises;
pub(super) mod random;
pub(super) mod redrive;
pub(super) mod requests;
pub(super) mod resting;
pub(crate) mod room;
pub(super) mod sessions;
pub(super) mod sharing;
pub(super) mod signals;
pub(super) mod tokens;
pub(super) mod wanted;
pub(super) mod world;

pub(super) use lab::Lab;

/// Makes a test of each case; the argument makes a lab with an empty store. With `@every` it makes one function,
/// `every_case`, which runs them all.
macro_rules! every_case {
    ($lab:expr) => {
        every_case! { @cases tests $lab }
    };
    (@every $lab:expr) => {
        every_case! { @cases one $lab }
    };
    (@cases $how:ident $lab:expr) => {
        every_case! { @$how $lab;
            accounts {
                enrolling_again_keeps_the_account
                one_credential_has_so_many_users_and_no_more
                a_configured_account_is_due_at_once_and_stays_configured
                an_account_that_left_the_configuration_rests
                idle_accounts_are_forgotten_whole
                an_account_is_forgotten_by_its_owner
                a_store_that_works_answers
            }
            polls {
                nobody_is_polled_without_a_reason
                a_poll_that_was_asked_for_is_made_once
                what_is_asked_for_during_a_poll_comes_after_it
                the_longest_due_come_first_and_one_account_at_a_time
                a_poll_is_put_off_without_being_made
                what_a_budget_had_left_is_kept
                the_next_due_waits_for_the_other_kind
                a_lease_that_ran_out_goes_to_another
                failures_are_counted_and_touch_nothing
                a_poll_leaves_its_status
                a_provider_out_of_reach_is_told_once_and_so_is_its_return
                a_ticket_says_what_was_the_matter
                what_is_known_is_sorted_by_bytes
                the_last_hook_takes_the_polls_with_it
            }
            mass_changes {
                an_answer_is_not_passed_over_by_what_was_decided_before_it
                an_answer_to_a_list_that_is_held_no_more_is_refused
            }
            wanted {
                single_instances_are_polled_between_lists
                a_list_answers_for_single_instances
                single_instances_that_are_asked_for_during_a_poll_come_after_it
                what_is_asked_for_again_comes_in_its_time
            }
            endpoints {
                what_is_known_of_an_endpoint_outlasts_a_crash
                providers_at_one_endpoint_are_held_together
                a_provider_that_moves_takes_its_polls_along
                a_new_endpoint_does_not_wait_behind_all_others
            }
            inventory {
                a_resource_comes_back_whole
                a_list_is_paged_and_filtered
                times_say_when_it_was_seen
                what_was_removed_is_gone_and_named_in_its_change
            }
            hooks {
                a_hook_is_set_replaced_and_removed
                hooks_of_others_are_left_alone
                a_hook_needs_an_account
                the_first_list_is_a_baseline
                a_partial_list_is_no_baseline
                a_hook_hears_of_what_it_waited_for
                a_hook_set_during_a_poll_misses_nothing
            }
            deliveries {
                one_resource_is_delivered_in_order
                a_retry_holds_back_its_own_line_only
                a_dead_letter_lets_the_next_go
                what_was_not_sent_is_due_again_at_once
                a_lease_that_ran_out_is_claimed_anew
                a_hook_has_no_more_in_flight_than_it_may
                a_saturated_hook_is_passed_over
                hooks_are_served_in_turns
                a_crash_between_claim_and_settlement_loses_nothing
                what_is_not_tracked_is_not_delivered
                destinations_are_served_in_turns_and_have_no_more_than_they_may
                a_destination_that_is_held_is_left_alone_until_then
                a_rate_is_kept_over_crashes
                the_latest_takes_the_place_of_what_is_not_being_sent
            }
            sharing {
                a_backlog_of_one_account_delays_no_other_at_its_destination
                a_fresh_change_waits_for_few_claims_however_many_destinations_others_have
                an_account_that_has_its_share_in_flight_leaves_the_rest_to_others
                destinations_on_probation_have_a_share_of_their_own
                a_destination_without_room_waits_for_an_attempt_to_end
                the_standing_of_a_destination_goes_with_its_last_hook
            }
            resting {
                a_filter_directs_a_hook
                a_hook_is_changed_and_its_secret_rotated
                a_paused_hook_goes_on_from_where_it_stopped
                a_hook_that_is_gone_is_disabled_and_loses_nothing
                a_hook_that_fails_for_days_is_disabled
                pending_changes_of_a_resting_hook_can_be_taken
                a_long_rest_is_made_up_for_in_steps
            }
            redrive {
                a_test_reaches_its_hook_alone
                a_replay_sends_what_was_sent_before_in_order
                a_replay_does_not_owe_twice
                a_replay_repeats_what_is_being_sent
                a_replay_to_a_hook_of_the_latest_repeats_what_is_being_sent
                a_replay_from_a_time_bears_a_clock_that_was_set_back
                dead_letters_are_redriven
                what_became_of_each_change_is_known
                old_attempts_are_forgotten
                of_a_hook_that_is_gone_no_attempt_is_kept
            }
            requests {
                a_request_is_carried_out_once
                a_request_is_known_as_long_when_the_clock_is_set
                what_did_nothing_may_be_made_again
                a_limit_is_kept_by_whoever_comes_last
                a_redrive_goes_on_where_it_was_broken_off
            }
            sessions {
                a_session_is_kept_for_its_account_and_driver
                a_session_goes_when_it_runs_out_and_with_its_account
            }
            keys {
                the_keys_that_a_store_needs_are_named
                what_is_sealed_is_listed_and_sealed_anew
            }
            tokens {
                a_token_is_found_by_its_secret_until_it_is_revoked
                a_tokens_hooks_are_its_own_and_go_with_it
                an_account_with_a_token_is_not_forgotten
                a_revoked_token_sets_nothing
            }
            journal {
                the_journal_is_read_in_pages_and_filtered
                pages_of_a_filter_leave_nothing_out
                the_tail_is_read_of_all_accounts
                a_resource_has_a_history
                what_is_too_old_is_forgotten_and_what_is_owed_is_not
                so_many_changes_are_kept
                changes_from_before_a_step_are_kept_longer
                an_account_of_many_changes_pushes_out_its_own_past
                what_was_known_is_known_of_every_time
            }
            pending {
                pending_changes_are_given_once_and_in_order
                what_is_taken_is_not_sent
                what_is_lent_is_sent_by_nobody_until_the_lease_ends
                a_lease_is_acknowledged_in_parts_and_given_back
                a_lease_outlasts_a_crash_unless_it_ends_with_the_host
                a_replay_of_what_is_lent_is_sent_after_it
                a_lease_lasts_as_long_when_the_clock_is_set
                a_limit_leaves_the_rest_pending
                a_page_owes_hooks_that_replay_no_more_than_it_has
                dead_letters_are_pending
            }
            signals {
                what_is_due_sooner_is_told
            }
            random {
                whatever_happens_each_hook_hears_of_each_change_in_order
            }
        }
    };
    (@one $lab:expr; $($group:ident { $($case:ident)* })*) => {
        async fn every_case() {
            $($(
                let world = $crate::store::contract::world::World::new(Box::new($lab));
                Box::pin($crate::store::contract::$group::$case(world)).await;
            )*)*
        }
    };
    (@tests $lab:expr; $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let world = $crate::store::contract::world::World::new(Box::new($lab));
                    Box::pin($crate::store::contract::$group::$case(world)).await;
                }
            )*
        })*
    };
}
pub(super) use every_case;
