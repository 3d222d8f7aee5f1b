//! The places that servers run in.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Builder, Pending, Reply, Restriction, SOME_USER, Server};

/// What a server may ask of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A user on their own machine.
    User,
    /// Root of a machine: every run is a user of its own.
    Root,
    /// Root in a container with Docker's default restrictions.
    ContainerRoot,
    /// A user in a container that has had everything taken away.
    ContainerUser,
    /// A user where namespaces are forbidden, on the first kernel whose
    /// Landlock keeps signals inside.
    NoNamespaces,
}

pub(crate) const ALL: [Place; 5] =
    [Place::User, Place::Root, Place::ContainerRoot, Place::ContainerUser, Place::NoNamespaces];

/// The Python that programs and controls run in: one that every user can start.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// How long a race may take to begin, within the limits of the run that is one side of it.
pub(crate) const RACE: Duration = Duration::from_secs(20);

impl Place {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Root => "root",
            Self::ContainerRoot => "container_root",
            Self::ContainerUser => "container_user",
            Self::NoNamespaces => "no_namespaces",
        }
    }

    /// The best tier that can be had here.
    pub(crate) const fn tier(self) -> &'static str {
        match self {
            Self::User => "namespaced",
            Self::Root => "isolated",
            Self::ContainerRoot | Self::ContainerUser | Self::NoNamespaces => "container",
        }
    }

    /// The names under which attempts say what is expected here, the best first.
    pub(crate) const fn expectations(self) -> [&'static str; 2] {
        match self {
            Self::User | Self::Root => [self.name(), "namespaced"],
            Self::ContainerRoot | Self::ContainerUser | Self::NoNamespaces => [self.name(), "container"],
        }
    }

    /// The user that the server is.
    pub(crate) const fn server_user(self) -> u32 {
        match self {
            Self::Root | Self::ContainerRoot => 0,
            Self::User | Self::ContainerUser | Self::NoNamespaces => SOME_USER,
        }
    }

    pub(crate) fn restriction(self) -> Restriction {
        match self {
            Self::User => Restriction::user(SOME_USER),
            Self::Root => Restriction::default(),
            Self::ContainerRoot => Restriction::docker_root(),
            Self::ContainerUser => Restriction::docker_user(SOME_USER),
            Self::NoNamespaces => {
                Restriction::user(SOME_USER).option("--no-user-namespaces").option("--landlock-abi=6")
            }
        }
    }

    pub(crate) fn server(self) -> Builder {
        self.server_with(self.restriction())
    }

    /// A server here, with even less.
    pub(crate) fn server_with(self, restriction: Restriction) -> Builder {
        // Made by root, these places are the same whoever starts the tests.
        assert!(nix::unistd::getuid().is_root(), "the places that servers run in can only be made by root");
        Server::with().restricted(restriction).flag(format!("--native-program=python-native={PYTHON}"))
    }
}

/// Starts to run a program outside of WebAssembly.
pub(crate) fn begin(server: &Server, language: &str, code: &str, more: Value) -> Pending {
    let mut arguments = json!({"language": language, "code": code});
    if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
        arguments.extend(more);
    }
    server.begin("execute", arguments)
}

/// Runs a program outside of WebAssembly.
pub(crate) fn run(server: &Server, language: &str, code: &str, more: Value) -> Reply {
    begin(server, language, code, more).wait()
}

/// Asserts that the server runs programs outside of WebAssembly.
#[track_caller]
pub(crate) fn assert_native_usable(server: &Server) {
    assert_eq!(run(server, "python-native", "print(6 * 7)", json!({})).output(), "42\n");
}

#[test]
fn every_place_has_the_tier_that_it_can_have() {
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let protections = server.health()["protections"].to_string();
        let expected = format!("native programs: tier {} ", place.tier());
        assert!(protections.contains(&expected), "{}: {protections}", place.name());
        assert_eq!(run(&server, "bash", "echo $((6 * 7))", json!({})).output(), "42\n");
        server.assert_usable();
    }
}
