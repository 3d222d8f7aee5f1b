"""Is the Helm chart what Kubernetes takes? Lints it as `helm lint --strict` does, renders
it with Helm's own SDK for each of the values below, and holds every object against the
schema of Kubernetes, where a field that there is not is a fault, and against the level
`restricted` of its Pod Security Standards.

    target/ci-tools/bin/python tests/chart/check.py
"""

import copy
import pathlib
import re
import sys
import tomllib

import helm_python as helm
import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CHART = REPOSITORY / "deploy/chart"
# The oldest that the chart names, and the newest that there is a schema of.
VERSIONS = ["1.29.0", "1.37.0"]
# Kinds that a cluster has from others, so that there is no schema of them.
OF_OTHERS = {"ServiceMonitor"}

MANY = {"replicas": 2, "persistence": {"accessModes": ["ReadWriteMany"]}}
BUCKET = {
    "replicas": 2,
    "persistence": {"enabled": False},
    "clientKeysSecret": "keys",
    "store": {"url": "s3://belljar/team", "secret": "store"},
    "networkPolicy": {"egress": [{"ports": [{"protocol": "TCP", "port": 443}]}]},
}
VALUES = {
    "default": {},
    "nothing that lasts": {"persistence": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "several": MANY | {"clientKeysSecret": "keys", "podAnnotations": {"a/b": "c"}},
    "a claim that is there": {"replicas": 3, "persistence": {"existingClaim": "shared"}},
    "by the queue": MANY | {"autoscaling": {"enabled": True}, "metrics": {"serviceMonitor": True}},
    "without metrics": {"metrics": {"enabled": False}},
    "a bucket": BUCKET,
    "a bucket by the service account": BUCKET
    | {"store": BUCKET["store"] | {"credentials": False}, "serviceAccountName": "belljar"},
    "tls": {"tlsSecret": "tls", "authentication": ["keys", "oauth"]},
    "tenants": {
        "settings": 'drain_seconds = 60\n[oauth]\nresource = "https://belljar.example/mcp"\n'
        'issuers = ["https://auth.example"]\n',
        "terminationGracePeriodSeconds": 75,
        "authentication": ["oauth"],
        "networkPolicy": {"egress": [{"ports": [{"protocol": "TCP", "port": 443}]}]},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "sandbox", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
        "image": {"tag": "full"},
        "imagePullSecrets": [{"name": "registry"}],
    },
}
# What the chart refuses to render, and a part of why.
REFUSED = {
    "several replicas need a claim that many can write to": {"replicas": 2},
    "several replicas need a store that all of them have": {"replicas": 2, "persistence": {"enabled": False}},
    "terminationGracePeriodSeconds is 45 and must be more than drain_seconds (40)": {"settings": "drain_seconds = 40"},
    "autoscaling and a ServiceMonitor need metrics.enabled": {"metrics": {"enabled": False, "serviceMonitor": True}},
    "publicUrl must say": {"publicUrl": ""},
    "replicas that share no volume need the keys of clients from a Secret": BUCKET | {"clientKeysSecret": ""},
    "store.url and store.secret": BUCKET | {"store": {"url": "s3://belljar/team"}},
    "networkPolicy.egress must let pods reach the bucket": BUCKET | {"networkPolicy": {"egress": []}},
}

faults = []


def check(what, holds):
    if not holds:
        faults.append(what)


def render(values):
    with helm.Chart.load(CHART) as chart:
        manifests = chart.render(values, name="release", namespace="sandbox")
    objects = [one for text in manifests.values() for one in yaml.safe_load_all(text)]
    return [one for one in objects if one]


def validate(one, version):
    kubernetes_validate.validate(one, version, strict=True)


def restricted(name, pod):
    """The level `restricted`: https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    own = pod["securityContext"]
    check(f"{name}: runs as root", own["runAsNonRoot"] is True and own["runAsUser"] > 0)
    check(f"{name}: no profile of system calls", own["seccompProfile"]["type"] == "RuntimeDefault")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        check(f"{name}: {key}", not pod.get(key))
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in pod["volumes"]:
        check(f"{name}: volume {volume}", set(volume) - {"name"} <= allowed and len(volume) == 2)
    for container in pod.get("initContainers", []) + pod["containers"]:
        context = container["securityContext"]
        check(f"{name}: privileges", context["allowPrivilegeEscalation"] is False and "privileged" not in context)
        check(f"{name}: capabilities", context["capabilities"] == {"drop": ["ALL"]})
        # Not of that level, and what the image is made for.
        check(f"{name}: root is writable", context["readOnlyRootFilesystem"] is True)
        check(f"{name}: host ports", all("hostPort" not in port for port in container.get("ports", [])))


def known_variables():
    sources = [REPOSITORY / "server/src/config" / name for name in ("settings.rs", "oauth.rs")]
    return {name for source in sources for name in re.findall(r"BELLJAR_[A-Z_]+", source.read_text())}


def settings(name, objects, pod):
    """What the server is told is something that it knows."""
    known = known_variables()
    container = pod["containers"][0]
    for variable in container["env"]:
        check(f"{name}: the server knows no {variable['name']}", variable["name"] in known)
    secret = next(one for one in objects if one["kind"] == "Secret")
    drain = tomllib.loads(secret["stringData"]["belljar.toml"]).get("drain_seconds", 30)
    check(f"{name}: it is killed before it has drained", pod["terminationGracePeriodSeconds"] > drain + 10)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    check(f"{name}: volumes that nobody mounts", mounted == {volume["name"] for volume in pod["volumes"]})
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        check(f"{name}: no {probe}", container[probe]["httpGet"]["port"] == container["ports"][0]["name"])


def composed():
    """The same of the servers of compose.yaml, which no schema here is of."""
    services = yaml.safe_load((REPOSITORY / "deploy/compose.yaml").read_text())["services"]
    servers = [
        service
        for service in services.values()
        if service["image"].startswith("belljar:") and "entrypoint" not in service
    ]
    check("compose: not two servers", len(servers) == 2)
    for server in servers:
        check("compose: unknown variables", set(server["environment"]) <= known_variables())
        check("compose: it may do more than it needs", server["read_only"] and server["cap_drop"] == ["ALL"])
        check("compose: it is killed before it has drained", int(server["stop_grace_period"].removesuffix("s")) > 40)
    for name, service in services.items():
        for volume in service.get("volumes", []):
            is_secret = volume.split(":")[0] in {"servers", "s3", "redis", "bucket"}
            check(f"compose: {name} can change {volume}", volume.endswith(":ro") or not is_secret or name == "secrets")


def monitored(name, objects):
    """What the cluster is told of metrics is something that the server has."""
    told = [one["spec"] for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
    for metric in (metric["pods"]["metric"]["name"] for spec in told for metric in spec["metrics"]):
        sources = (REPOSITORY / "server/src").rglob("*.rs")
        check(f"{name}: there is no {metric}", any(f'"{metric}"' in source.read_text() for source in sources))
    ports = {port["name"] for one in objects if one["kind"] == "Service" for port in one["spec"]["ports"]}
    for monitor in (one["spec"] for one in objects if one["kind"] == "ServiceMonitor"):
        check(f"{name}: no such port", {endpoint["port"] for endpoint in monitor["endpoints"]} <= ports)


def objects_of(name, values):
    objects = render(values)
    for one in objects:
        for version in VERSIONS:
            try:
                validate(one, version)
            except kubernetes_validate.SchemaNotFoundError:
                check(f"{name}: no schema of {one['kind']}", one["kind"] in OF_OTHERS)
            except kubernetes_validate.ValidationError as error:
                check(f"{name}: {one['kind']} in {version}: {error.message}", False)
    return objects


def main():
    for name, values in VALUES.items():
        report = helm.lint(CHART, values, strict=True)
        for message in report["messages"]:
            # An icon is recommended, at the level of information.
            check(f"{name}: lint: {message}", message["severity"] < 2)
        objects = objects_of(name, values)
        deployment = next(one for one in objects if one["kind"] == "Deployment")
        pod = deployment["spec"]["template"]["spec"]
        restricted(name, pod)
        settings(name, objects, pod)
        monitored(name, objects)
        selector = deployment["spec"]["selector"]["matchLabels"].items()
        check(f"{name}: it selects other pods", selector <= deployment["spec"]["template"]["metadata"]["labels"].items())
        print(f"{name}: {', '.join(sorted(one['kind'] for one in objects))}")
    for reason, values in REFUSED.items():
        try:
            render(values)
            check(f"rendered, though {reason}", False)
        except helm.HelmError as error:
            check(f"refused, but not because {reason}: {error}", reason in str(error))
    composed()
    # The controls: what is invented and what is not restricted is found.
    deployment = next(one for one in render({}) if one["kind"] == "Deployment")
    invented = copy.deepcopy(deployment)
    invented["spec"]["template"]["spec"]["containers"][0]["memory"] = "1Gi"
    try:
        validate(invented, VERSIONS[-1])
        check("an invented field is not found", False)
    except kubernetes_validate.ValidationError:
        pass
    before = len(faults)
    pod = copy.deepcopy(deployment["spec"]["template"]["spec"])
    pod["securityContext"]["runAsUser"] = 0
    pod["containers"][0]["securityContext"]["capabilities"] = {"add": ["SYS_ADMIN"]}
    restricted("the control", pod)
    found = len(faults) - before
    del faults[before:]
    check("a pod of root with a capability is not found", found == 2)
    for fault in faults:
        print("FAULT", fault)
    print(f"chart: {len(VALUES)} sets of values, Kubernetes {' and '.join(VERSIONS)}, {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
