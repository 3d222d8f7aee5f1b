//! The packages of the machine's Python: pandas, and plots that come back as
//! images.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tests::Server;

use crate::{run, servers};

/// A Python with these packages, where every user finds it.
fn python() -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = std::env::temp_dir().join("belljar-tests-packages");
    let python = environment.join("bin/python3");
    let installed = environment.join("installed-with-ipython");
    if !installed.exists() {
        // The Python is the system's own: another may lie in the home of root.
        let make = |program: &str| {
            let mut command = Command::new(program);
            command.args(["-m", "venv", "--clear"]).arg(&environment);
            command.output().is_ok_and(|output| output.status.success())
        };
        assert!(make("/usr/bin/python3") || make("python3"), "python3 with venv is needed");
        let output = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["pandas", "matplotlib", "ipython"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Others than root are to read it, and the cache of code is of no use.
        let output = Command::new("chmod").args(["-R", "a+rX"]).arg(&environment).output().unwrap();
        assert!(output.status.success());
        std::fs::write(installed, "").unwrap();
    }
    python
}

#[test]
fn pandas_works_and_plots_come_back_as_images() {
    let flag = format!("--native-program=python-native={}", python().display());
    for (user, server) in servers(|builder| builder.flag(&flag)) {
        let code = "import pandas as pd\nprint(pd.DataFrame({'a': [1, 2, 3]})['a'].sum())";
        assert_eq!(run(&server, "python-native", code, json!({})).output(), "6\n", "{user}");
        // Shown, saved, and left open: each once.
        let code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n\
                    plt.plot([2, 1])\nplt.savefig('saved.png')\nplt.figure()\nplt.plot([1, 1])\nNone";
        let reply = run(&server, "python-native", code, json!({}));
        assert_eq!((reply.output(), reply.files()), ("", vec!["saved.png"]), "{user}: {}", reply.stderr());
        let images = reply.images();
        assert_eq!(images.len(), 3, "{user}: {}", reply.text());
        assert!(images.iter().all(|(mime, data)| *mime == "image/png" && data.starts_with("iVBOR")), "{user}");
        // A figure that is shown by itself or with all is not sent again at the end or
        // as the result.
        for last in ["fig.show()\nNone", "fig.show()\nplt.show()", "plt.show()\nfig"] {
            let code = format!("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])\n{last}");
            let reply = run(&server, "python-native", &code, json!({}));
            assert_eq!(reply.images().len(), 1, "{user}: {last}: {}", reply.text());
        }
    }
}

/// Debian's has settings in `/etc`, and an OpenBLAS that takes more addresses than others.
/// `cargo run --release --bin container -- --full` brings it along.
#[test]
#[ignore = "needs python3-matplotlib of Debian"]
fn debians_own_matplotlib_draws_and_its_numpy_multiplies() {
    for (user, server) in servers(|builder| builder.flag("--native-program=python-native=/usr/bin/python3")) {
        let code = "import numpy, matplotlib.pyplot as plt\nones = numpy.ones((300, 300))\nprint((ones @ ones)[0, 0])\n\
                    plt.plot([1, 2])\nplt.show()";
        let reply = run(&server, "python-native", code, json!({}));
        assert_eq!(reply.output(), "300.0\n", "{user}: {}", reply.stderr());
        assert_eq!(reply.images().len(), 1, "{user}: {}", reply.text());
    }
}

#[test]
fn what_an_ipython_of_the_machine_shows_is_in_the_reply() {
    let server = Server::with().flag(format!("--native-program=python-native={}", python().display())).start();
    let code = "import IPython.core.display_functions as core\nfrom IPython import display as module\n\
                from IPython.display import HTML, Markdown, clear_output, display\n\
                display(HTML('<b>1</b>'), {'a': 2})\nmodule.display(Markdown('*3*'))\ncore.display('4')\nclear_output()\n\
                handle = display(HTML('5'), display_id=True)\nhandle.update(HTML('6'))\nmodule.display_html('<p>', raw=True)\n\
                module.__file__.endswith('/IPython/display.py') and 'site-packages' in module.__file__";
    let reply = run(&server, "python-native", code, json!({}));
    let expected = "result: True\ndisplayed text/html: <b>1</b>\ndisplayed: {'a': 2}\ndisplayed text/markdown: *3*\n\
                    displayed: '4'\ndisplayed text/html: 5\ndisplayed text/html: 6\ndisplayed text/html: <p>";
    assert_eq!(reply.assert_status("exited 0").output(), "");
    let lines: Vec<_> = reply.text().lines().filter(|line| !line.starts_with("took ")).collect();
    assert_eq!(lines.join("\n"), expected);
    // A process of its own has nobody to show to, and prints as ever.
    let code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', \
                'from IPython.display import HTML, display; display(HTML(str(1)))'])\nNone";
    let reply = run(&server, "python-native", code, json!({}));
    assert_eq!(reply.output(), "<IPython.core.display.HTML object>\n", "{}", reply.text());
}

#[test]
fn an_interpreter_is_itself_whatever_its_name_is() {
    // Another Python may lie beside it, by the usual name.
    let which = "import os, sys; print(os.path.realpath(sys.executable))";
    let found = Command::new("python3").args(["-c", which]).output().unwrap();
    let path = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    assert!(!path.ends_with("/python3"), "{path}");
    let server = Server::with().flag(format!("--native-program=python-native={path}")).start();
    let reply = run(&server, "python-native", "import sys; print(sys.executable)", json!({}));
    assert_eq!(reply.output(), format!("{path}\n"), "{}", reply.text());
}

#[test]
fn copies_of_files_are_made_where_clones_are_refused() {
    // `Path.copy` is new in Python 3.14.
    let code = "from pathlib import Path\np = Path('a'); p.write_text('x')\n\
                (p.copy if hasattr(p, 'copy') else lambda to: Path(to).write_text(p.read_text()))('b')\n\
                print(Path('b').read_text())";
    let server = Server::start();
    assert_eq!(run(&server, "python-native", code, json!({})).output(), "x\n");
}
