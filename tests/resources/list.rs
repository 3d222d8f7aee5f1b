//! What there is, page by page.

use serde_json::{Value, json};

use crate::wire::{ALL, Wire};

/// Every page from the first.
fn pages(wire: &Wire) -> Vec<Vec<Value>> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    loop {
        let reply = wire.ask("resources/list", params);
        pages.push(reply.result()["resources"].as_array().unwrap().clone());
        match reply.result().get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return pages,
        }
        assert!(pages.len() < 100, "the list has no end");
    }
}

fn uris(pages: &[Vec<Value>]) -> Vec<String> {
    pages.iter().flatten().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_resource_is_listed_once_in_an_order_that_stays() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        wire.execute(&session, "for n in range(450): open(f'file {n}.csv', 'w').write('x')\nimport os\nos.mkdir('dir')\nopen('dir/x', 'w').close()").assert_status("exited 0");
        wire.call("execute", json!({"language": "bash", "code": "ln -s x link", "session": session}));
        let displayed = "from IPython.display import display\nfor n in range(12): display(n)\nopen('own', 'w').close()";
        let run = wire.call("execute", json!({"language": "python", "code": displayed}));
        let run = run.structured()["run"].as_str().unwrap().to_owned();
        let listed = pages(&wire);
        assert!(listed.len() > 2 && listed.iter().all(|page| page.len() <= 200), "{way}");
        let uris = uris(&listed);
        let mut sorted = uris.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(uris, sorted, "{way}");
        assert_eq!(uris[..3], ["belljar://guide", "belljar://languages", "belljar://limits"]);
        let mine = format!("belljar://session/{session}/");
        let of_session: Vec<_> = uris.iter().filter(|uri| uri.starts_with(&mine)).collect();
        // The list has the folder, and every file in it; links and folders are found by reading.
        assert_eq!(of_session.len(), 1 + 451, "{way}");
        assert!(uris.contains(&format!("{mine}file%20449.csv")) && uris.contains(&format!("{mine}dir/x")));
        for part in ["files/", "output/1", "output/12"] {
            assert!(uris.contains(&format!("belljar://run/{run}/{part}")), "{part}");
        }
        let file = listed.iter().flatten().find(|one| one["uri"] == format!("{mine}file%207.csv")).unwrap();
        let told = (&file["name"], &file["mimeType"], &file["size"]);
        assert_eq!(told, (&json!("file 7.csv"), &json!("text/csv"), &json!(1)));
        // What is listed can be read.
        for uri in uris.iter().step_by(50).chain(&uris[..4]) {
            wire.contents(uri);
        }
        assert_eq!(self::uris(&pages(&wire)), uris, "the same again");
    }
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_whatever_came_and_went() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        wire.execute(&session, "for n in range(300): open(f'{n:03}', 'w').close()");
        let first = wire.ask("resources/list", json!({}));
        let last = first.result()["resources"].as_array().unwrap().last().unwrap()["name"].as_str().unwrap().to_owned();
        wire.execute(&session, &format!("import os\nos.remove('000')\nos.remove('{last}')\nopen('000a', 'w').close()"));
        let next = wire.ask("resources/list", json!({"cursor": first.result()["nextCursor"]}));
        let names: Vec<_> =
            next.result()["resources"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        let after = last.parse::<u32>().unwrap() + 1;
        let expected: Vec<_> = (after..300).map(|n| json!(format!("{n:03}"))).collect();
        assert_eq!(names, expected, "{way}");
    }
}

#[test]
fn sessions_are_listed_from_where_a_page_goes_on_and_those_that_are_over_not() {
    for way in ["stdio, initialize", "http, newer"] {
        let wire = Wire::of(way);
        // More than a page, of which most hibernate.
        let new = || wire.call("write", json!({"session": "new", "path": "f", "text": "x"})).session();
        let mut sessions: Vec<_> = (0..210).map(|_| new()).collect();
        sessions.sort();
        for over in [205, 100, 0] {
            wire.call("session", json!({"action": "close", "session": sessions.remove(over)})).result();
        }
        let listed = pages(&wire);
        assert!(listed.len() >= 2 && listed[0].len() == 200, "{way}");
        let uris = uris(&listed);
        let folders: Vec<_> =
            uris.iter().filter(|uri| uri.starts_with("belljar://session/") && uri.ends_with('/')).collect();
        let expected: Vec<_> = sessions.iter().map(|session| format!("belljar://session/{session}/")).collect();
        assert_eq!(folders, expected.iter().collect::<Vec<_>>(), "{way}");
    }
}

#[test]
fn a_cursor_goes_on_at_another_server_over_the_same_store() {
    let Wire::Stdio { server, .. } = Wire::of("stdio, initialize") else { panic!("not over stdio") };
    let session = server.new_session();
    server.execute_in(&session, "for n in range(250): open(f'{n:03}', 'w').close()");
    let first = server.client.request("resources/list", json!({})).wait();
    let cursor = first.result()["nextCursor"].clone();
    let other = server.beside().start();
    other.execute_in(&session, "1");
    let next = other.client.request("resources/list", json!({"cursor": cursor})).wait();
    let names = next.result()["resources"].as_array().unwrap();
    assert!(names.iter().any(|one| one["name"] == "249"), "{}", next.message);
    // The cursor is nobody's at another server.
    let stranger = Wire::of("stdio, initialize").ask("resources/list", json!({"cursor": cursor}));
    assert_eq!(stranger.message["error"]["data"]["reason"], "bad_cursor");
}

#[test]
fn templates_are_listed_and_what_is_made_of_them_is_read() {
    for way in ALL {
        let wire = Wire::of(way);
        let templates = wire.ask("resources/templates/list", json!({}));
        let listed = templates.result()["resourceTemplates"].as_array().unwrap();
        let uris: Vec<_> = listed.iter().map(|one| one["uriTemplate"].as_str().unwrap()).collect();
        assert_eq!(
            uris,
            [
                "belljar://session/{session}/{+path}",
                "belljar://run/{run}/{stream}",
                "belljar://run/{run}/output/{number}",
                "belljar://run/{run}/files/{+path}",
            ]
        );
        assert!(templates.result()["ttlMs"].as_u64().unwrap() > 60_000 && templates.result()["cacheScope"] == "public");
        let reply = wire.execute("new", "open('x', 'w').write('of a template')\nprint('said')");
        let filled = uris[0].replace("{session}", &reply.session()).replace("{+path}", "x");
        assert_eq!(wire.contents(&filled)["text"], "of a template");
        let run = reply.structured()["run"].as_str().unwrap().to_owned();
        let filled = uris[1].replace("{run}", &run).replace("{stream}", "stdout");
        assert_eq!(wire.contents(&filled)["text"], "said\n", "{way}");
    }
}
