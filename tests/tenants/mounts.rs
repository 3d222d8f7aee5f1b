//! Folders that are granted to one tenant and not to another.

use std::path::Path;
use std::sync::Arc;

use sandbox::{
    ExecuteRequest, Found, MinimumTier, Mount, MountAccess, Mounts, Policy, Program, SessionChoice, Status,
    TenantLimits,
};

use crate::house::{House, Tenant, some};

fn granted(source: &Path, access: MountAccess) -> TenantLimits {
    let mount = Mount::open(source, Path::new("/data"), access).unwrap();
    let mounts = Mounts::new(vec![mount]).unwrap();
    TenantLimits { policy: Arc::new(Policy { mounts, ..Policy::default() }), ..some() }
}

pub(crate) async fn each_sees_its_own_folder_at_the_same_path_and_others_none() {
    let folders = ["blue", "red"].map(|name| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("name"), name).unwrap();
        std::fs::write(folder.path().join(name), name).unwrap();
        // Runs of programs of the machine have users of their own.
        for (path, mode) in [(folder.path().to_path_buf(), 0o755), (folder.path().join("name"), 0o644)] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        folder
    });
    let [blue, red] = &folders;
    let named =
        [("blue", granted(blue.path(), MountAccess::ReadOnly)), ("red", granted(red.path(), MountAccess::ReadWrite))];
    let house = House::with_native(MinimumTier::ByTenants, 8, some(), &named).unwrap();
    let (blue, red, none) = (house.tenant("blue"), house.tenant("red"), house.tenant("none"));
    let look = "import os
try: print(open('/data/name').read(), sorted(os.listdir('/data')))
except OSError as error: print(error.strerror)";
    let write = "import os
try: open('/data/new', 'w').close(); os.unlink('/data/new'); print('written')
except OSError as error: print(error.strerror)";
    for round in 0..3 {
        assert_eq!(blue.prints(SessionChoice::None, look).await, "blue ['blue', 'name']", "{round}");
        assert_eq!(red.prints(SessionChoice::None, look).await, "red ['name', 'red']", "{round}");
        assert_eq!(none.prints(SessionChoice::None, look).await, "No such file or directory", "{round}");
        assert_eq!(blue.prints(SessionChoice::None, write).await, "Read-only file system");
        assert_eq!(red.prints(SessionChoice::None, write).await, "written");
    }
    let session = blue.begin("file = open('/data/name')").await;
    assert_eq!(blue.prints_in(&session, "print(file.read())").await, "blue");

    for (tenant, expected) in [(&blue, "blue"), (&red, "red")] {
        let path = house.executor.policy(&tenant.principal).mounts.path("path", "/data/name").unwrap().unwrap();
        let Found::File { mut file, .. } = path.read().unwrap() else { panic!("it is a file") };
        assert_eq!(sandbox::read_range(&mut file, 0, 9).unwrap(), expected.as_bytes());
    }
    assert!(house.executor.policy(&none.principal).mounts.path("path", "/data/name").is_none());

    let bash = |tenant: Tenant| async move {
        let program = Program { code: "cat /data/name || true".into(), ..Program::default() };
        let request = ExecuteRequest { language: "bash".into(), program, ..Default::default() };
        let ran = tenant.request(request).await?;
        assert_eq!(ran.report.status, Status::Exited(0));
        Ok::<_, sandbox::Error>(String::from_utf8(ran.report.stdout.head).unwrap())
    };
    match bash(blue).await {
        Ok(said) => assert_eq!(
            (said.as_str(), bash(red).await.unwrap(), bash(none).await.unwrap()),
            ("blue", "red".into(), String::new())
        ),
        Err(error) => {
            let tier = house.executor.health().native.unwrap().tier;
            assert!(tier.is_err_and(|reason| error.to_string().contains(&reason)), "{error}");
        }
    }
}
