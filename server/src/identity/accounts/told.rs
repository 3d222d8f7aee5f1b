//! What servers over one store tell each other of what tenants used: each has a note of its
//! own among a fixed number of places, which all read once a second.
//!
//! A call asks nobody. So what servers let through between two looks is not known to the
//! others yet: each of them at most what it would by itself, a minute's worth of calls after
//! a rest. That is owed, and comes back before anything more is let through.
//!
//! Whoever holds what servers share may hide notes, and each server then has its own count
//! alone; bring back earlier ones, of which nothing counts twice; or lay others' in a place,
//! which do not open there.

use std::time::{Duration, Instant};

use sandbox::{Executor, Note};
use tokio::time::MissedTickBehavior;

use super::servers::Servers;
use super::tally::{MAX_BYTES, MOST_TENANTS, ServerId, Tally, Used, new_server};
use super::{Accounts, since_1970};

/// How often servers look at each other's notes, and write their own where it changed.
const LOOK: Duration = Duration::from_secs(1);
/// How often a note is written again that says the same, as notes are kept for minutes.
const AGAIN: Duration = Duration::from_secs(60);
/// The places there are, and so the servers that count together.
const PLACES: usize = 64;

/// Tells other servers what tenants used here, and counts what they used there, for as long
/// as this is waited for.
pub(crate) async fn tell_used(accounts: &Accounts, executor: &Executor) {
    let server = new_server().inspect_err(|error| tracing::error!(%error, "quotas are counted by this server alone"));
    let Some(server) = server.ok().filter(|_| executor.shares_notes() && accounts.roster.has_quotas()) else {
        return std::future::pending().await;
    };
    let mut teller = Teller::new(server);
    let names: Vec<_> = (0..PLACES).map(|place| format!("quotas-{place}")).collect();
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(notes) = executor.notes(&names, MAX_BYTES).await else { continue };
        if let Some((place, tally)) = teller.look(notes, accounts)
            && let Err(error) = executor.leave_note(&names[place], tally.written()).await
        {
            tracing::warn!(error = ?anyhow::Error::from(error), "other servers are not told what tenants used");
        }
    }
}

/// What a place has.
#[derive(Debug)]
enum Place {
    Free,
    /// What no server left there.
    Wrong,
    Taken(Tally),
}

/// What this server told, and heard.
struct Teller {
    server: ServerId,
    servers: Servers,
    /// What was told last: where, and when.
    place: Option<usize>,
    number: u64,
    used: Vec<Used>,
    at: Instant,
    /// Whether anything was wrong when it was last looked.
    was_wrong: bool,
}

impl Teller {
    fn new(server: ServerId) -> Self {
        Self {
            server,
            servers: Servers::default(),
            place: None,
            number: 0,
            used: Vec::new(),
            at: Instant::now(),
            was_wrong: false,
        }
    }

    /// Counts what others told. Returns what is to be told, and where, if that is not there.
    fn look(&mut self, notes: Vec<Note>, accounts: &Accounts) -> Option<(usize, Tally)> {
        let (now, today) = (Instant::now(), since_1970());
        let place = |note| match note {
            Note::None => Place::Free,
            Note::Wrong => Place::Wrong,
            Note::Content(bytes) => Tally::read(&bytes).map_or(Place::Wrong, Place::Taken),
        };
        let places: Vec<_> = notes.into_iter().map(place).collect();
        let is_wrong = places.iter().any(|place| matches!(place, Place::Wrong));
        if is_wrong && !self.was_wrong {
            tracing::warn!("what servers share has something else in place of what tenants used");
        }
        self.was_wrong = is_wrong;
        for place in &places {
            let Place::Taken(tally) = place else { continue };
            if tally.server == self.server {
                continue;
            }
            let charges = self.servers.hear(tally, now, today);
            let there = self.servers.there(now);
            charges.iter().for_each(|(tenant, charge)| accounts.charge(tenant, *charge, there));
        }
        let used = accounts.own(MOST_TENANTS, today);
        let is_there = self.place.is_some_and(|place| {
            matches!(&places[place], Place::Taken(tally) if tally.server == self.server && tally.number == self.number)
        });
        let is_told = is_there && used == self.used && now.saturating_duration_since(self.at) < AGAIN;
        if is_told || used.is_empty() {
            return None;
        }
        let place = self.find(&places);
        self.number += 1;
        (self.place, self.used, self.at) = (Some(place), used.clone(), now);
        Some((place, Tally { server: self.server.clone(), number: self.number, at: today.as_secs(), used }))
    }

    /// The place for what this server says: its own, unless another server took it; else one
    /// that is free, that holds nothing right, or whose server wrote longest ago.
    fn find(&self, places: &[Place]) -> usize {
        let is_anothers = |place: usize| matches!(&places[place], Place::Taken(tally) if tally.server != self.server);
        if let Some(place) = self.place.filter(|place| !is_anothers(*place)) {
            return place;
        }
        let written = |place: &Place| match place {
            Place::Free => (0, 0),
            Place::Wrong => (1, 0),
            Place::Taken(tally) => (2, tally.at),
        };
        // Servers that look at the same moment begin to look elsewhere.
        let first = usize::from_str_radix(&self.server[..4], 16).unwrap_or(0);
        let in_turn = (0..places.len()).map(|step| (first + step) % places.len());
        in_turn.min_by_key(|place| written(&places[*place])).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use sandbox::Principal;

    use super::*;
    use crate::identity::{Demand, Quota, Roster};

    fn accounts() -> Accounts {
        let quota = Quota { calls_per_minute: Some(60), cpu_seconds_per_day: None };
        Accounts::new(Roster::Many { named: HashMap::new(), others: Some(quota) })
    }

    fn call(accounts: &Accounts) {
        accounts.take(&Principal::new("one").unwrap(), Demand::Call).unwrap();
    }

    fn left(accounts: &Accounts) -> usize {
        let one = Principal::new("one").unwrap();
        (0..1000).take_while(|_| accounts.take(&one, Demand::Call).is_ok()).count()
    }

    fn all(notes: &[Option<Vec<u8>>]) -> Vec<Note> {
        notes.iter().map(|note| note.clone().map_or(Note::None, Note::Content)).collect()
    }

    #[test]
    fn servers_find_places_of_their_own_and_count_together() {
        let accounts = [(); 3].map(|()| accounts());
        // All begin at the same place.
        let server = |number: u8| format!("0000{number:028x}");
        let mut tellers = [1, 2, 3].map(|number| Teller::new(server(number)));
        accounts.iter().for_each(|accounts| (0..10).for_each(|_| call(accounts)));
        let mut notes = vec![None; 4];
        for _ in 0..4 {
            // All look, and then all write.
            let said: Vec<_> =
                tellers.iter_mut().zip(&accounts).map(|(teller, own)| teller.look(all(&notes), own)).collect();
            said.into_iter().flatten().for_each(|(place, tally)| notes[place] = Some(tally.written()));
        }
        let mut there: Vec<_> = notes.iter().flatten().map(|note| Tally::read(note).unwrap().server).collect();
        there.sort();
        assert_eq!(there, [1, 2, 3].map(server));
        for (teller, own) in tellers.iter_mut().zip(&accounts) {
            teller.look(all(&notes), own);
            let left = left(own);
            assert!((30..40).contains(&left), "{left}");
        }
    }

    #[test]
    fn what_is_lost_or_wrong_is_said_again_and_nothing_is_said_where_there_is_nothing() {
        let accounts = accounts();
        let mut teller = Teller::new("0".repeat(32));
        let free = || vec![Note::None; 2];
        assert!(teller.look(free(), &accounts).is_none());
        call(&accounts);
        let (place, first) = teller.look(free(), &accounts).unwrap();
        let (_, again) = teller.look(free(), &accounts).unwrap();
        assert_eq!((first.number, again.number, again.used[0].taken), (1, 2, 1), "it was lost");
        let with = |note: Note| {
            let mut notes = free();
            notes[place] = note;
            notes
        };
        let (same, _) = teller.look(with(Note::Wrong), &accounts).unwrap();
        let (same_again, _) = teller.look(with(Note::Content(b"{}".to_vec())), &accounts).unwrap();
        assert_eq!((same, same_again), (place, place));
        let other = Tally { server: "1".repeat(32), ..first };
        let (elsewhere, _) = teller.look(with(Note::Content(other.written())), &accounts).unwrap();
        assert_ne!(elsewhere, place, "it is another's");
    }

    #[test]
    fn a_server_that_tells_of_no_tenant_here_or_lies_without_bound_changes_little() {
        let accounts = accounts();
        let mut teller = Teller::new("0".repeat(32));
        let used = |tenant: &str, taken| Used { tenant: tenant.into(), taken, recent: taken, cpu_ms: u64::MAX };
        let used = vec![used("local", 5), used("../one", 5), used("one", u64::MAX)];
        let tally = Tally { server: "1".repeat(32), number: u64::MAX, at: since_1970().as_secs(), used };
        teller.look(vec![Note::Content(tally.written())], &accounts);
        assert_eq!(accounts.known.lock().of.len(), 1);
        let exceeded = accounts.take(&Principal::new("one").unwrap(), Demand::Call).unwrap_err();
        assert!(exceeded.retry_after_seconds() <= 61, "{exceeded}");
    }
}
