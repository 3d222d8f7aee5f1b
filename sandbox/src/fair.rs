//! Shares out a bounded number of units among tenants, fairly: places for runs,
//! mebibytes of memory.
//!
//! - Nobody has more than its bound, and all together never more than there is.
//! - Requests of one tenant are served first in, first out; between tenants the
//!   one that has the least is next, and of several the one that was served
//!   longest ago. So whoever asks for much waits for itself.
//! - What does not fit does not hold up what does, until so much went past it that
//!   it would starve: then units are kept for it.
//!
//! [`Fair`] decides and knows nothing of tasks; [`Pot`] is what is waited on.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How many times all units may go past a request that others keep from fitting.
const PATIENCE: u64 = 8;

/// A request that waits.
type Ticket = u64;

/// Who has how much, and who waits.
#[derive(Debug)]
struct Fair<K> {
    total: u64,
    free: u64,
    accounts: HashMap<K, Account>,
    /// How many requests of all tenants wait.
    waiting: usize,
    next_ticket: Ticket,
    /// All units that were ever given out: the clock of [`PATIENCE`].
    given: u64,
    /// How many requests were ever served.
    served: u64,
}

/// What one tenant has and wants. A tenant that has nothing and wants nothing has no account.
#[derive(Debug, Default)]
struct Account {
    used: u64,
    /// The most units that the tenant may have.
    most: u64,
    requests: VecDeque<Request>,
    /// When the tenant was served last, or came, counted in requests.
    served: u64,
    /// Since when its first request waits for others and not for itself, counted
    /// in units.
    since: u64,
}

#[derive(Debug)]
struct Request {
    ticket: Ticket,
    units: u64,
    urgency: Urgency,
}

/// Who is kept waiting for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// The request begins something that waits until it is served, and has its turn.
    CanWait,
    /// The request is for something that has other units already, which come back when it goes
    /// on: it is served before what can wait, and what is kept for that is not kept from it.
    GoesOn,
}

/// What comes of a request at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Given,
    Waits(Ticket),
    /// The queue of the tenant is full: as many requests wait as may.
    Full(usize),
}

impl Account {
    /// The first request, if it does not wait for its own tenant.
    fn first(&self) -> Option<&Request> {
        self.requests.front().filter(|request| self.used + request.units <= self.most)
    }
}

impl<K: Clone + Eq + Hash> Fair<K> {
    fn new(total: u64) -> Self {
        Self { total, free: total, accounts: HashMap::new(), waiting: 0, next_ticket: 0, given: 0, served: 0 }
    }

    fn used_by(&self, key: &K) -> u64 {
        self.accounts.get(key).map_or(0, |account| account.used)
    }

    fn waiting_of(&self, key: &K) -> usize {
        self.accounts.get(key).map_or(0, |account| account.requests.len())
    }

    /// Asks for `units`, while at most `queue` requests of the same tenant wait. More
    /// than `most` are never asked for.
    fn ask(&mut self, key: &K, most: u64, units: u64, urgency: Urgency, queue: usize) -> Asked {
        // Who waits longest must not wait for whoever comes now.
        let is_next =
            self.waiting == 0 || urgency == Urgency::GoesOn || (self.waiting_of(key) == 0 && self.starving().is_none());
        if is_next && self.try_give(key, most, units) {
            return Asked::Given;
        }
        let (given, ticket) = (self.given, self.next_ticket);
        // Who comes anew has no turn before those who wait already.
        let new = || Account { served: self.served, ..Account::default() };
        let account = self.accounts.entry(key.clone()).or_insert_with(new);
        account.most = most;
        let ahead = account.requests.len();
        if ahead >= queue {
            self.drop_if_empty(key);
            return Asked::Full(ahead);
        }
        if ahead == 0 {
            account.since = given;
        }
        let is_before = |other: &Request| other.urgency == Urgency::GoesOn || urgency == Urgency::CanWait;
        let at = account.requests.iter().position(|other| !is_before(other)).unwrap_or(ahead);
        account.requests.insert(at, Request { ticket, units, urgency });
        self.next_ticket += 1;
        self.waiting += 1;
        Asked::Waits(ticket)
    }

    /// Gives `units` if they are there, whoever waits: for what cannot wait.
    fn try_give(&mut self, key: &K, most: u64, units: u64) -> bool {
        let used = self.used_by(key);
        if units > self.free || used + units > most {
            return false;
        }
        if units > 0 {
            self.give(key, most, units);
        }
        true
    }

    fn give(&mut self, key: &K, most: u64, units: u64) {
        self.free -= units;
        self.given += units;
        self.served += 1;
        let account = self.accounts.entry(key.clone()).or_default();
        account.most = most;
        account.used += units;
        account.served = self.served;
    }

    /// Takes `units` back.
    fn take_back(&mut self, key: &K, units: u64) {
        self.free += units;
        let Some(account) = self.accounts.get_mut(key) else { return };
        let waited_for_itself = !account.requests.is_empty() && account.first().is_none();
        account.used -= units;
        if waited_for_itself {
            account.since = self.given;
        }
        self.drop_if_empty(key);
    }

    /// Forgets a request. False if it was served.
    fn cancel(&mut self, key: &K, ticket: Ticket) -> bool {
        let Some(account) = self.accounts.get_mut(key) else { return false };
        let Some(at) = account.requests.iter().position(|request| request.ticket == ticket) else { return false };
        account.requests.remove(at);
        if at == 0 {
            account.since = self.given;
        }
        self.waiting -= 1;
        self.drop_if_empty(key);
        true
    }

    /// Serves the request whose turn it is, if it can be.
    fn serve_next(&mut self) -> Option<Ticket> {
        if self.waiting == 0 {
            return None;
        }
        let goes_on = |request: &Request| request.urgency == Urgency::GoesOn;
        let key = match (self.next_of(goes_on), self.starving()) {
            (Some(key), _) | (None, Some(key)) => key.clone(),
            (None, None) => self.next_of(|_| true)?.clone(),
        };
        let account = self.accounts.get_mut(&key)?;
        let units = account.first()?.units;
        if units > self.free {
            return None;
        }
        let ticket = account.requests.pop_front()?.ticket;
        let most = account.most;
        account.since = self.given + units;
        self.waiting -= 1;
        self.give(&key, most, units);
        Some(ticket)
    }

    /// Whose first request is next among those that fit and are `wanted`.
    fn next_of(&self, wanted: impl Fn(&Request) -> bool) -> Option<&K> {
        let fits = |request: &&Request| request.units <= self.free && wanted(request);
        let waiting = self.accounts.iter().filter_map(|(key, account)| {
            let Request { ticket, .. } = account.first().filter(fits)?;
            Some(((account.used, account.served, *ticket), key))
        });
        waiting.min_by_key(|(order, _)| *order).map(|(_, key)| key)
    }

    /// Whose first request was passed by too often, and longest.
    fn starving(&self) -> Option<&K> {
        let patience = PATIENCE * self.total;
        let is_passed = |account: &Account| account.first().is_some() && self.given - account.since >= patience;
        let passed = self.accounts.iter().filter(|(_, account)| is_passed(account));
        passed.min_by_key(|(_, account)| account.since).map(|(key, _)| key)
    }

    fn drop_if_empty(&mut self, key: &K) {
        if self.accounts.get(key).is_some_and(|account| account.used == 0 && account.requests.is_empty()) {
            self.accounts.remove(key);
        }
    }
}

/// Units that are shared out, and those who wait for some. Clones are the same.
pub(crate) struct Pot<K: Clone + Eq + Hash>(Arc<Mutex<State<K>>>);

struct State<K> {
    fair: Fair<K>,
    waiters: HashMap<Ticket, oneshot::Sender<()>>,
}

/// Units that somebody has, until this is dropped.
pub(crate) struct Units<K: Clone + Eq + Hash> {
    pot: Pot<K>,
    key: K,
    units: u64,
}

/// The queue of one tenant is full: as many requests wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) waiting: usize,
}

impl<K: Clone + Eq + Hash> Clone for Pot<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Pot<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pot").field("free", &self.free()).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Units<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Units").field("units", &self.units).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> Pot<K> {
    pub(crate) fn new(total: u64) -> Self {
        Self(Arc::new(Mutex::new(State { fair: Fair::new(total), waiters: HashMap::new() })))
    }

    /// How many units nobody has.
    pub(crate) fn free(&self) -> u64 {
        self.0.lock().fair.free
    }

    /// How many units `key` has.
    pub(crate) fn used_by(&self, key: &K) -> u64 {
        self.0.lock().fair.used_by(key)
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().fair.waiting
    }

    /// How many requests of `key` wait.
    pub(crate) fn waiting_of(&self, key: &K) -> usize {
        self.0.lock().fair.waiting_of(key)
    }

    /// How many tenants have or want units.
    #[cfg(test)]
    pub(crate) fn accounts(&self) -> usize {
        self.0.lock().fair.accounts.len()
    }

    /// Takes `units` if they are there, before whoever waits.
    pub(crate) fn try_take(&self, key: &K, most: u64, units: u64) -> Option<Units<K>> {
        // Who went in front may be the reason why others need not wait any longer.
        let is_given = self.change(|state| state.fair.try_give(key, most, units));
        is_given.then(|| self.units(key, units))
    }

    /// Waits for `units`, which `most` must allow, while at most `queue` requests of
    /// the same tenant wait.
    ///
    /// # Errors
    ///
    /// [`Full`] when as many are waiting already.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives its turn back, or what came of it.
    pub(crate) async fn take(
        &self,
        key: &K,
        (most, units): (u64, u64),
        urgency: Urgency,
        queue: usize,
    ) -> Result<Units<K>, Full> {
        let (serve, served) = oneshot::channel();
        let asked = self.change(|state| {
            let asked = state.fair.ask(key, most, units, urgency, queue);
            if let Asked::Waits(ticket) = asked {
                state.waiters.insert(ticket, serve);
            }
            asked
        });
        let waiting = match asked {
            Asked::Given => return Ok(self.units(key, units)),
            Asked::Full(waiting) => return Err(Full { waiting }),
            Asked::Waits(ticket) => Waiting { pot: self, key, ticket, units, is_served: false },
        };
        // Whoever serves it says so; nobody else has the other end.
        let _ = served.await;
        Ok(waiting.served())
    }

    fn units(&self, key: &K, units: u64) -> Units<K> {
        Units { pot: self.clone(), key: key.clone(), units }
    }

    /// Does something to what is known, and wakes those who are served by it.
    fn change<T>(&self, change: impl FnOnce(&mut State<K>) -> T) -> T {
        let (done, first, rest) = {
            let mut state = self.0.lock();
            let done = change(&mut state);
            let mut next = || state.fair.serve_next().and_then(|ticket| state.waiters.remove(&ticket));
            let first = next();
            // A change hardly ever serves more than one request, so the others are collected apart.
            let rest: Vec<_> = if first.is_some() { std::iter::from_fn(next).collect() } else { Vec::new() };
            (done, first, rest)
        };
        for waiter in first.into_iter().chain(rest) {
            // A waiter that went meanwhile gives back what it was given.
            let _ = waiter.send(());
        }
        done
    }
}

/// A request that waits. One that is dropped is as if it had never been made.
struct Waiting<'a, K: Clone + Eq + Hash> {
    pot: &'a Pot<K>,
    key: &'a K,
    ticket: Ticket,
    units: u64,
    is_served: bool,
}

impl<K: Clone + Eq + Hash> Waiting<'_, K> {
    fn served(mut self) -> Units<K> {
        self.is_served = true;
        self.pot.units(self.key, self.units)
    }
}

impl<K: Clone + Eq + Hash> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        if self.is_served {
            return;
        }
        self.pot.change(|state| {
            if state.fair.cancel(self.key, self.ticket) {
                state.waiters.remove(&self.ticket);
            } else {
                state.fair.take_back(self.key, self.units);
            }
        });
    }
}

impl<K: Clone + Eq + Hash> Units<K> {
    pub(crate) const fn units(&self) -> u64 {
        self.units
    }

    /// The tenant that has these units.
    pub(crate) const fn key(&self) -> &K {
        &self.key
    }

    /// Keeps only `units`, and gives back the rest.
    pub(crate) fn shrink_to(&mut self, units: u64) {
        let less = self.units.saturating_sub(units);
        if less > 0 {
            self.units -= less;
            self.pot.change(|state| state.fair.take_back(&self.key, less));
        }
    }

    /// Adds `others`, which are units of the same tenant from the same pot.
    pub(crate) fn merge(&mut self, mut others: Self) {
        debug_assert!(self.key == others.key && Arc::ptr_eq(&self.pot.0, &others.pot.0), "of another");
        self.units += std::mem::take(&mut others.units);
    }
}

impl<K: Clone + Eq + Hash> Drop for Units<K> {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests;
