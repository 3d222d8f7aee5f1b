//! What the operator grants: languages and variables.

use serde_json::json;
use tests::Server;

#[test]
fn a_language_that_is_not_granted_is_refused_offered_to_nobody_and_named_in_no_advice() {
    let all = Server::start();
    let some = Server::with().flag("--languages=python").start();
    let run = |server: &Server| server.execute_with("echo hi", json!({"language": "bash"}));
    assert_eq!(run(&all).output(), "hi\n");
    let refused = run(&some);
    let expected = "running `bash` is denied: the policy of this server allows python; use one of these";
    assert!(refused.refusal().contains(expected), "{}", refused.text());
    assert_eq!(some.execute("print(1)").output(), "1\n");

    let offered = |server: &Server| {
        let tools = server.client.request("tools/list", json!({})).wait();
        let execute =
            tools.result()["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "execute").cloned();
        execute.unwrap()["inputSchema"]["properties"]["language"].clone()
    };
    assert!(offered(&all)["enum"].as_array().unwrap().contains(&json!("bash")));
    assert_eq!(offered(&some)["enum"], json!(["python"]));
    assert!(!offered(&some)["description"].as_str().unwrap().contains("bash"));

    let unknown = some.execute_with("1", json!({"language": "cobol"}));
    assert!(unknown.refusal().contains("language must be one of"), "{}", unknown.text());
}

#[test]
fn every_language_has_the_variables_of_the_operator_and_those_of_a_call_win() {
    let server =
        Server::with().flag("--environment=TEAM=blue").env("BELLJAR_ENVIRONMENT", "TEAM=red,STAGE=test").start();
    for (language, code) in
        [("python", "import os; print(os.environ['TEAM'], os.environ['STAGE'])"), ("bash", "echo $TEAM $STAGE")]
    {
        let run = |env| server.execute_with(code, json!({"language": language, "env": env}));
        assert_eq!(run(json!({})).output(), "blue test\n", "{language}");
        assert_eq!(run(json!({"STAGE": "live"})).output(), "blue live\n", "{language}");
    }
    let without = Server::start();
    assert_eq!(without.execute("import os; print('TEAM' in os.environ)").output(), "False\n");
}
