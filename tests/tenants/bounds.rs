//! What each tenant may use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sandbox::{
    ExecuteRequest, Languages, MinimumTier, Policy, Program, RequestedLimits, Resource, SessionChoice, Status,
    TenantLimits, Tier,
};

use crate::house::{House, some};

const MIB: u64 = 1 << 20;

fn request(language: &str, code: &str, wall_time_ms: u64) -> ExecuteRequest {
    let mut limits = RequestedLimits::default();
    limits.set(Resource::WallTimeMs, wall_time_ms);
    let program = Program { code: code.into(), ..Program::default() };
    ExecuteRequest { language: language.into(), program, limits, ..Default::default() }
}

pub(crate) async fn ceilings_and_languages_are_of_each_tenant() {
    let mut low = some();
    low.limit_ceilings.set(Resource::WallTimeMs, 2_000);
    let languages = Languages::Only(BTreeSet::from(["bash".to_owned()]));
    let other_language = TenantLimits { policy: Arc::new(Policy { languages, ..Policy::default() }), ..some() };
    let house = House::new(8, some(), &[("low", low), ("shell", other_language)]);
    let (low, shell, usual) = (house.tenant("low"), house.tenant("shell"), house.tenant("usual"));

    let refused = low.request(request("python", "1", 2_001)).await.unwrap_err().to_string();
    assert_eq!(refused, "limits.wall_time_ms must be between 10 and 2000, got 2001");
    let ran = low.execute(SessionChoice::None, "1").await.unwrap();
    assert_eq!(ran.limits.get(Resource::WallTimeMs), 2_000, "the default is more than it may have");
    let ran = usual.request(request("python", "1", 2_001)).await.unwrap();
    assert_eq!(ran.limits.get(Resource::WallTimeMs), 2_001);

    let refused = shell.execute(SessionChoice::None, "1").await.unwrap_err().to_string();
    assert!(refused.starts_with("running `python` is denied: the policy"), "{refused}");
    let ids = |languages: Vec<sandbox::Language>| languages.into_iter().map(|language| language.id).collect::<Vec<_>>();
    assert!(!ids(house.executor.languages(&shell.principal).await).contains(&"python".to_owned()));
    assert!(ids(house.executor.languages(&usual.principal).await).contains(&"python".to_owned()));
}

pub(crate) async fn memory_of_one_is_bounded_and_holds_up_nobody() {
    let with = |mebibytes| TenantLimits { memory_bytes: mebibytes * MIB, ..some() };
    let house = House::new(8, with(320), &[("eater", with(225)), ("small", with(128))]);
    let (eater, other, small) = (house.tenant("eater"), house.tenant("other"), house.tenant("small"));
    let much = "print(len(bytearray(180 << 20)))";
    let outgrown = small.execute(SessionChoice::None, much).await.unwrap();
    assert_eq!(outgrown.report.error.unwrap().name, "MemoryError");

    let holds = "import os, time\nx = bytearray(200 << 20)\nopen('held', 'w').close()\n\
                 while not os.path.exists('go'): time.sleep(0.002)\nprint(len(x))";
    let session = eater.begin("pass").await;
    let held = || house.files_of(&session).filter(|files| files.join("held").exists());
    let meanwhile = async {
        while held().is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // What is left for the tenant does not do for one more instance.
        let mut waits = Box::pin(eater.prints(SessionChoice::None, "print(1)"));
        for _ in 0..20 {
            let printed = tokio::select! {
                biased;
                _ = &mut waits => panic!("it had no memory left"),
                printed = other.prints(SessionChoice::None, much) => printed,
            };
            assert_eq!(printed, (180 << 20).to_string(), "another has its own");
        }
        let health = house.executor.health_of(&eater.principal);
        let pool = health.pool.unwrap();
        assert_eq!((health.runs_active, pool.memory_total_bytes), (2, 225 * MIB));
        assert!(pool.memory_used_bytes > 180 * MIB && pool.memory_used_bytes <= 225 * MIB, "{pool:?}");
        std::fs::write(held().unwrap().join("go"), "").unwrap();
        // The control: the run goes on once there is room.
        assert_eq!(waits.await, "1");
    };
    let (printed, ()) = tokio::join!(eater.prints_in(&session, holds), meanwhile);
    assert_eq!(printed, (200 << 20).to_string());
}

pub(crate) async fn sessions_in_memory_are_bounded_for_each() {
    let house = House::new(8, some(), &[]);
    let (one, other) = (house.tenant("one"), house.tenant("other"));
    let mut theirs = Vec::new();
    for number in 0..4 {
        theirs.push(other.begin(&format!("x = {number}")).await);
    }
    let mut mine = Vec::new();
    for number in 0..10 {
        mine.push(one.begin(&format!("x = {number}")).await);
        assert!(house.executor.health_of(&one.principal).sessions_live <= 4);
    }
    let live = other.executor.list_sessions(&other.principal).await.unwrap();
    assert!(live.len() == 4 && live.iter().all(|session| session.is_live), "the other lost none to it");
    let live = one.executor.list_sessions(&one.principal).await.unwrap();
    assert_eq!((live.len(), live.iter().filter(|session| session.is_live).count()), (10, 4));
    for (number, session) in mine.iter().enumerate() {
        assert_eq!(one.prints_in(session, "print(x)").await, number.to_string());
    }
}

pub(crate) async fn several_tenants_need_programs_that_are_isolated() {
    for tier in [Tier::Container, Tier::Namespaced] {
        let refused = House::with_native(MinimumTier::AtLeast(tier), 8, some(), &[]).err().unwrap().to_string();
        assert!(refused.contains(&format!("in tier `{tier}` is denied: programs of one could reach")), "{refused}");
    }
    let house = House::with_native(MinimumTier::ByTenants, 8, some(), &[]).unwrap();
    let one = house.tenant("one");
    let ran = one.request(request("bash", "echo hello", 20_000)).await;
    match house.executor.health().native.unwrap().tier {
        Ok(tier) => {
            assert_eq!(tier, Tier::Isolated);
            assert_eq!(ran.unwrap().report.status, Status::Exited(0));
            let begin = ExecuteRequest {
                session: SessionChoice::New,
                ..request("bash", "echo theirs > secret\nchmod a+r secret", 20_000)
            };
            let session = one.request(begin).await.unwrap().session.unwrap().id;
            let secret = house.files_of(&session).unwrap().join("secret");
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), "theirs\n", "the control");
            let look = format!("cat {0}; ls {1}; echo x > {0}", secret.display(), secret.parent().unwrap().display());
            let ran = house.tenant("two").request(request("bash", &look, 20_000)).await.unwrap();
            assert_eq!((ran.report.status, ran.report.stdout.head.as_slice()), (Status::Exited(1), &b""[..]));
            let said = String::from_utf8(ran.report.stderr.head).unwrap();
            assert_eq!(said.matches("No such file or directory").count(), 3, "{said}");
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), "theirs\n");
        }
        Err(reason) => {
            println!("  this machine does not isolate programs: {reason}");
            assert!(reason.contains("`isolated` is needed for several tenants"), "{reason}");
            let refused = ran.unwrap_err().to_string();
            assert!(refused.starts_with("running `bash` is denied: ") && refused.contains(&reason), "{refused}");
        }
    }
}

pub(crate) async fn a_tenant_too_many_is_known_once_another_is_forgotten() {
    let house = House::new(2, some(), &[]);
    let (one, two, three) = (house.tenant("one"), house.tenant("two"), house.tenant("three"));
    let session = one.begin("x = 'one'").await;
    assert_eq!(two.prints(SessionChoice::None, "print(2)").await, "2");
    assert_eq!(house.directories(), ["one", "two"]);
    let workers = house.workers_of("one");
    assert!(!workers.is_empty());
    assert_eq!(three.prints(SessionChoice::None, "print(3)").await, "3");
    tests::eventually("the directory to go", || (house.directories() == ["three", "two"]).then_some(()));
    workers.iter().for_each(tests::Process::wait_until_gone);
    assert_eq!(one.prints_in(&session, "print(x)").await, "one", "nothing of it was lost");
    tests::eventually("the directory to go", || (house.directories() == ["one", "three"]).then_some(()));

    let waits = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.002)";
    let theirs = three.begin("pass").await;
    let files = |session| house.files_of(session).filter(|files| files.join("begun").exists());
    let meanwhile = async {
        while files(&session).is_none() || files(&theirs).is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let refused = two.execute(SessionChoice::None, "1").await.unwrap_err().to_string();
        assert_eq!(refused, "busy: too many tenants are calling at this moment (2 of 2 in use); try again in a moment");
        for session in [&session, &theirs] {
            std::fs::write(files(session).unwrap().join("go"), "").unwrap();
        }
    };
    tokio::join!(one.prints_in(&session, waits), three.prints_in(&theirs, waits), meanwhile);
    assert_eq!(two.prints(SessionChoice::None, "print(2)").await, "2");
}
