//! Do tenants of one executor get in each other's way, or see each other?
//!
//! No harness: the workers are this program again, as they are `belljar` again for
//! a server.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which fails by panicking")]

mod apart;
mod bounds;
mod fifty;
mod forgotten;
mod house;
mod mounts;

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::main(|filter| {
        macro_rules! run {
            ($($module:ident :: $name:ident)*) => {$(
                filter.run(concat!(stringify!($module), "::", stringify!($name)), || {
                    // The event loop is as a server for many has it.
                    let event_loop =
                        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                    event_loop.block_on($module::$name());
                });
            )*};
        }
        run! {
            apart::handles_of_another_answer_as_those_that_never_were
            apart::whoever_names_the_handle_of_another_takes_nothing_from_it
            apart::a_worker_that_dies_takes_only_its_tenant_with_it
            bounds::ceilings_and_languages_are_of_each_tenant
            bounds::memory_of_one_is_bounded_and_holds_up_nobody
            bounds::sessions_in_memory_are_bounded_for_each
            bounds::several_tenants_need_programs_that_are_isolated
            bounds::a_tenant_too_many_is_known_once_another_is_forgotten
            fifty::fifty_tenants_of_whom_two_are_hostile
            mounts::each_sees_its_own_folder_at_the_same_path_and_others_none
            forgotten::whoever_does_nothing_leaves_nothing_and_comes_back
        }
    })
}
