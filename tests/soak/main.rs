//! Servers of two users at once, under calls of every kind, for a long time:
//! every answer is checked, and at the end nothing may have grown.
//!
//! ```console
//! $ cargo build --release && cargo run --release --bin soak            # 100,000 calls, as root
//! $ cargo run --release --bin soak -- --calls 5000 --seed 7
//! ```

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for people: it prints, and stops at a fault")]

mod crash;
mod figures;
mod hostile;
mod mix;
mod plain;
mod sessions;
mod tenant;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use figures::{FIGURES, Figures};
use mix::Caller;
use tenant::Tenant;

/// How many rounds there are, between which nothing is going on, so that what is there
/// can be counted. A quarter of them is for warming up.
const ROUNDS: usize = 16;
/// Calls of one user that are in flight at once.
const CALLERS: u64 = 3;
/// Users of the host that own nothing, and are not those of other tests.
const USERS: [u32; 2] = [64_442, 64_443];

/// How long anything may take: more means that something waits that should not.
const SLOW: Duration = Duration::from_secs(15);

struct Asked {
    calls: u64,
    seed: u64,
    /// The one thing to do, to find out what makes something grow.
    only: Option<String>,
}

fn main() -> ExitCode {
    let Some(asked) = understood(std::env::args().skip(1)) else {
        println!("soak [--calls N] [--seed N] [--only NAME]");
        return ExitCode::from(2);
    };
    assert!(nix::unistd::geteuid().is_root(), "only root can start servers as two users");
    println!("{} calls, --seed {}", asked.calls, asked.seed);
    let tenants = USERS.map(Tenant::start);
    let began = Instant::now();
    let mut readings = Vec::new();
    println!("{:>5} {:>7} {:>5}  {}", "round", "calls", "s", FIGURES.map(|figure| figure.name).join(" | "));
    for round in 0..ROUNDS {
        let faults = carry_out(&tenants, &asked, round);
        if !faults.is_empty() {
            faults.iter().for_each(|fault| println!("FAULT: {fault}"));
            println!("again: --calls {} --seed {}", asked.calls, asked.seed);
            return ExitCode::FAILURE;
        }
        let reading = Figures::of(&tenants);
        let made = tenants.iter().map(Tenant::calls).sum::<u64>();
        println!("{:>5} {made:>7} {:>5}  {reading}", round + 1, began.elapsed().as_secs());
        readings.push(reading);
    }
    mix::print_table(&tenants);
    if figures::judge(&readings) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn understood(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let mut asked = Asked { calls: 100_000, seed: now, only: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--calls" => asked.calls = arguments.next()?.parse().ok()?,
            "--seed" => asked.seed = arguments.next()?.parse().ok()?,
            "--only" => asked.only = Some(arguments.next().filter(|name| mix::is_deed(name))?),
            _ => return None,
        }
    }
    Some(asked)
}

/// One round: every caller goes on until its user has made its share. Returns
/// what was wrong.
fn carry_out(tenants: &[Tenant; 2], asked: &Asked, round: usize) -> Vec<String> {
    let share = asked.calls * (round as u64 + 1) / ROUNDS as u64 / tenants.len() as u64;
    let only = asked.only.as_deref();
    let (is_over, faults) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let carry_on = |tenant: &Tenant| tenant.calls() < share && !is_over.load(Ordering::Relaxed);
    let take = |work: &dyn Fn()| {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            is_over.store(true, Ordering::Relaxed);
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            faults.lock().expect("nobody panics with it").push(said.to_owned());
        }
    };
    std::thread::scope(|scope| {
        for (index, tenant) in tenants.iter().enumerate() {
            let other = &tenants[1 - index];
            for number in 0..CALLERS {
                let seed = asked.seed ^ (round as u64) << 32 ^ (index as u64) << 24 ^ number << 16;
                scope.spawn(move || take(&|| Caller::new(tenant, other, seed).go_on(only, || carry_on(tenant))));
            }
            if only.is_none() {
                scope.spawn(move || take(&|| crash::go_on(tenant, || carry_on(tenant))));
            }
        }
    });
    faults.into_inner().expect("nobody panicked with it")
}

/// Does something, and says so when it takes long.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let value = work();
    if began.elapsed() > SLOW {
        println!("slow: {what} took {} s", began.elapsed().as_secs());
    }
    value
}
