//! The manifests: what they name exists, and agrees with the services. `make check-kubernetes` holds each object
//! against the published schema of its kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_stream::{Cleanup, PartitionCount, Topics};

use super::programs::{setting, settings};
use super::{documents, files, read, repository, services, str_of, strings, yaml};

const BASE: &str = "deploy/kubernetes/base";
const OVERLAYS: [&str; 3] = ["plain", "strimzi", "keda"];

fn overlay(name: &str) -> String {
    format!("deploy/kubernetes/overlays/{name}")
}

fn kustomization(folder: &str) -> Value {
    yaml(&format!("{folder}/kustomization.yaml")).remove(0)
}

/// The objects of a folder's own files.
fn objects(folder: &str) -> Vec<Value> {
    strings(&kustomization(folder)["resources"])
        .into_iter()
        .filter(|it| it.ends_with(".yaml"))
        .flat_map(|it| yaml(&format!("{folder}/{it}")))
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

fn policies_by_name<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let mut policies = of_kind(objects, "NetworkPolicy").into_iter();
    policies.find(|it| name(it) == wanted).unwrap_or_else(|| panic!("no policy {wanted}"))
}

fn name(object: &Value) -> &str {
    str_of(&object["metadata"]["name"], "a name")
}

/// Deployments and stateful sets, by name, with their only container.
fn workloads() -> BTreeMap<String, (Value, Value)> {
    let objects = objects(BASE);
    let workloads =
        objects.iter().filter(|it| it["kind"] == "Deployment" || it["kind"] == "StatefulSet");
    workloads
        .map(|it| {
            let containers =
                it["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
            assert_eq!(containers.len(), 1, "{}", name(it));
            (name(it).to_owned(), (it.clone(), containers[0].clone()))
        })
        .collect()
}

/// The variables that the generated config maps hold: the base's, and what overlays say over them.
fn config_maps(folders: &[String]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut maps = BTreeMap::<String, BTreeMap<String, String>>::new();
    for folder in folders {
        let generated = kustomization(folder)["configMapGenerator"].clone();
        for map in generated.as_array().into_iter().flatten() {
            let variables = maps.entry(name_of(map)).or_default();
            for literal in strings(&map["literals"]) {
                let (key, value) = literal.split_once('=').unwrap_or_else(|| panic!("`{literal}`"));
                variables.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    maps
}

fn name_of(value: &Value) -> String {
    str_of(&value["name"], "a name").to_owned()
}

#[test]
fn kustomizations_name_files_that_exist_and_no_file_is_left_over() {
    let mut folders: Vec<_> = OVERLAYS.iter().map(|it| overlay(it)).collect();
    folders.push(BASE.to_owned());
    let mut on_disk: Vec<_> = std::fs::read_dir(repository().join("deploy/kubernetes/overlays"))
        .expect("overlays")
        .map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    on_disk.sort();
    let mut known = OVERLAYS;
    known.sort_unstable();
    assert_eq!(on_disk, known);
    for folder in folders {
        let kustomization = kustomization(&folder);
        let mut named = BTreeSet::from([format!("{folder}/kustomization.yaml")]);
        let patches = kustomization["patches"].as_array().cloned().unwrap_or_default();
        let patches = patches.iter().filter_map(|it| it["path"].as_str().map(str::to_owned));
        for path in strings(&kustomization["resources"]).into_iter().chain(patches) {
            let whole = repository().join(&folder).join(&path);
            assert!(whole.exists(), "{folder} names {path}, which does not exist");
            if path.ends_with(".yaml") {
                named.insert(format!("{folder}/{path}"));
            } else {
                assert!(
                    whole.join("kustomization.yaml").is_file(),
                    "{folder}: {path} has no kustomization.yaml"
                );
            }
        }
        let on_disk: BTreeSet<_> = files(&folder, ".yaml").into_iter().collect();
        assert_eq!(on_disk, named, "files of {folder} that nobody names");
    }
}

#[test]
fn every_service_runs_with_its_settings_in_every_overlay() {
    let workloads = workloads();
    assert_eq!(workloads.keys().map(String::as_str).collect::<BTreeSet<_>>(), services().collect());
    for (overlay_name, folders) in [
        ("plain", vec![BASE.to_owned(), overlay("plain")]),
        ("strimzi", vec![BASE.to_owned(), overlay("strimzi")]),
        ("keda", vec![BASE.to_owned(), overlay("plain")]),
    ] {
        let maps = config_maps(&folders);
        for (service, (_, container)) in &workloads {
            assert_eq!(
                strings(&container["command"]),
                [format!("/usr/local/bin/shadowline-{service}")]
            );
            let mut environment = Vec::new();
            for from in container["envFrom"].as_array().expect("envFrom") {
                let map = name_of(&from["configMapRef"]);
                let variables =
                    maps.get(&map).unwrap_or_else(|| panic!("{service}: no config map `{map}`"));
                environment.extend(variables.clone());
            }
            for variable in container["env"].as_array().expect("env") {
                environment
                    .push((name_of(variable), str_of(&variable["value"], "a value").to_owned()));
            }
            let Some(settings) = settings(service, &environment, &[]) else { return };
            let settings = settings
                .unwrap_or_else(|error| panic!("{overlay_name}: {service} refuses: {error}"));
            let ports = container["ports"].as_array().expect("ports");
            for port in ports {
                let listen = setting(&settings, &format!("{}.listen", name_of(port)));
                assert_eq!(listen, format!("0.0.0.0:{}", port["containerPort"]), "{service}");
            }
            if overlay_name == "strimzi" {
                assert_eq!(
                    setting(&settings, "log.bootstrap_servers"),
                    "shadowline-kafka-bootstrap:9093"
                );
                let properties = &settings["log"]["properties"];
                assert_eq!(properties["security.protocol"].as_str(), Some("ssl"), "{settings}");
                assert_eq!(
                    properties["ssl.ca.location"].as_str(),
                    Some("/etc/kafka/cluster/ca.crt")
                );
            }
        }
    }
}

#[test]
fn services_and_budgets_select_pods_and_ports_that_are_there() {
    let objects = objects(BASE);
    let workloads = workloads();
    let mut served = BTreeSet::new();
    for service in of_kind(&objects, "Service") {
        let selected = str_of(&service["spec"]["selector"]["app.kubernetes.io/name"], "a selector");
        let (_, container) =
            workloads.get(selected).unwrap_or_else(|| panic!("{} selects nothing", name(service)));
        let ports = container["ports"].as_array().expect("ports");
        for port in service["spec"]["ports"].as_array().expect("ports") {
            let target = ports.iter().find(|it| it["name"] == port["targetPort"]);
            let target = target
                .unwrap_or_else(|| panic!("{}: no port {}", name(service), port["targetPort"]));
            assert_eq!(target["containerPort"], port["port"], "{}", name(service));
        }
        served.insert(selected.to_owned());
    }
    assert_eq!(served, workloads.keys().cloned().collect());
    let budgets = of_kind(&objects, "PodDisruptionBudget");
    assert_eq!(budgets.len(), workloads.len());
    for budget in budgets {
        let selected = str_of(
            &budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"],
            "a selector",
        );
        assert!(workloads.contains_key(selected), "{}", name(budget));
        // With one replica, `minAvailable: 1` would hold up every drain of its node.
        assert_eq!(budget["spec"]["maxUnavailable"], 1, "{}", name(budget));
    }
    let accounts: BTreeSet<_> = of_kind(&objects, "ServiceAccount").into_iter().map(name).collect();
    for (service, (workload, _)) in &workloads {
        let pod = &workload["spec"]["template"];
        assert_eq!(
            pod["metadata"]["labels"], workload["spec"]["selector"]["matchLabels"],
            "{service}"
        );
        assert!(
            accounts.contains(str_of(&pod["spec"]["serviceAccountName"], "an account")),
            "{service}"
        );
    }
    let headless = workloads["serving"].0["spec"]["serviceName"].clone();
    assert!(
        of_kind(&objects, "Service").iter().any(|it| it["metadata"]["name"] == headless),
        "{headless}"
    );
}

#[test]
fn pods_are_probed_limited_and_restricted() {
    for (service, (workload, container)) in workloads() {
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let asked = &container[probe]["httpGet"];
            assert_eq!(
                (&asked["path"], &asked["port"]),
                (&path.into(), &"http".into()),
                "{probe} of {service}"
            );
        }
        let resources = &container["resources"];
        assert!(
            resources["requests"]["cpu"].is_string() && resources["requests"]["memory"].is_string(),
            "{service}"
        );
        assert!(resources["limits"]["memory"].is_string(), "{service}");
        let pod = &workload["spec"]["template"]["spec"];
        let may = &container["securityContext"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{service}");
        assert_eq!(pod["securityContext"]["runAsUser"], 65532, "{service}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{service}");
        assert_eq!(may["readOnlyRootFilesystem"], true, "{service}");
        assert_eq!(may["allowPrivilegeEscalation"], false, "{service}");
        assert_eq!(strings(&may["capabilities"]["drop"]), ["ALL"], "{service}");
        // Every mount is of a volume that is there.
        let mut volumes: Vec<_> =
            pod["volumes"].as_array().expect("volumes").iter().map(name_of).collect();
        let claimed =
            workload["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default();
        volumes.extend(claimed.iter().map(|it| name(it).to_owned()));
        for mount in container["volumeMounts"].as_array().expect("mounts") {
            assert!(volumes.contains(&name_of(mount)), "{service} mounts {mount}");
        }
    }
}

#[test]
fn a_roll_out_of_metric_specs_never_runs_two() {
    let (deployment, _) = &workloads()["metric-specs"];
    assert_eq!(deployment["kind"], "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
}

#[test]
fn the_image_is_this_version() {
    let workspace: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    let version =
        workspace["workspace"]["package"]["version"].as_str().expect("a version").to_owned();
    let image = kustomization(BASE)["images"][0].clone();
    assert_eq!((&image["name"], &image["newTag"]), (&"shadowline".into(), &version.into()));
    for (service, (_, container)) in workloads() {
        assert_eq!(container["image"], "shadowline", "{service}");
    }
}

#[test]
fn strimzis_topics_are_the_ones_the_services_want() {
    let objects = objects(&overlay("strimzi"));
    let topics: BTreeMap<_, _> =
        of_kind(&objects, "KafkaTopic").into_iter().map(|it| (name(it), it)).collect();
    let maps = config_maps(&[BASE.to_owned()]);
    let partitions: u32 =
        maps["shadowline-log"]["SHADOWLINE__TOPICS__PARTITIONS"].parse().expect("a number");
    let replicas: u16 =
        maps["shadowline-log"]["SHADOWLINE__TOPICS__REPLICATION"].parse().expect("a number");
    let wanted = Topics::default().specs(partitions, replicas);
    assert_eq!(topics.len(), wanted.len());
    for want in wanted {
        let topic = topics.get(&*want.name).unwrap_or_else(|| panic!("no topic {}", want.name));
        let expected = match want.partitions {
            PartitionCount::Exactly(n) => n,
            PartitionCount::SameAs(_) => partitions,
        };
        assert_eq!(topic["spec"]["partitions"], expected, "{}", want.name);
        assert_eq!(topic["spec"]["replicas"], want.replication, "{}", want.name);
        let config = &topic["spec"]["config"];
        assert_eq!(config["max.message.bytes"], want.max_message_bytes, "{}", want.name);
        match want.cleanup {
            Cleanup::Compact => assert_eq!(config["cleanup.policy"], "compact", "{}", want.name),
            Cleanup::Delete { retention } => {
                assert_eq!(config["cleanup.policy"], "delete", "{}", want.name);
                let retention =
                    retention.map(|it| u64::try_from(it.as_millis()).expect("a short time"));
                assert_eq!(config["retention.ms"].as_u64(), retention, "{}", want.name);
            }
        }
    }
    // Each service comes as a user of its own, with a certificate that its patch mounts.
    let users: BTreeSet<_> = of_kind(&objects, "KafkaUser").into_iter().map(name).collect();
    let cluster = name(of_kind(&objects, "Kafka")[0]).to_owned();
    for service in services() {
        let user = format!("shadowline-{service}");
        assert!(users.contains(user.as_str()), "no user {user}");
        let patch = yaml(&format!("{}/tls-{service}.yaml", overlay("strimzi"))).remove(0);
        let volumes =
            patch["spec"]["template"]["spec"]["volumes"].as_array().expect("volumes").clone();
        let secrets: Vec<_> =
            volumes.iter().map(|it| str_of(&it["secret"]["secretName"], "a secret")).collect();
        assert_eq!(secrets, [format!("{cluster}-cluster-ca-cert"), user]);
    }
}

#[test]
fn keda_looks_at_the_groups_that_read() {
    let objects = objects(&overlay("keda"));
    let bootstrap =
        config_maps(&[overlay("plain")])["shadowline-log"]["SHADOWLINE__LOG__BOOTSTRAP_SERVERS"]
            .clone();
    let maps = config_maps(&[BASE.to_owned()]);
    let monitors = SERVICES.iter().filter(|it| it.packages.is_some() && it.has_group);
    for service in monitors.map(|it| it.name) {
        let scaled = of_kind(&objects, "ScaledObject").into_iter().find(|it| name(it) == service);
        let spec = &scaled.unwrap_or_else(|| panic!("{service} is not scaled"))["spec"];
        assert_eq!(spec["scaleTargetRef"]["name"], service);
        let partitions = &maps["shadowline-log"]["SHADOWLINE__TOPICS__PARTITIONS"];
        assert_eq!(spec["maxReplicaCount"].to_string(), *partitions, "more would find no work");
        let trigger = &spec["triggers"][0]["metadata"];
        assert_eq!(trigger["topic"], *Topics::default().inferences());
        assert_eq!(trigger["bootstrapServers"], *bootstrap);
        let Some(settings) = settings(service, &[], &[]) else { return };
        assert_eq!(trigger["consumerGroup"], setting(&settings.expect("defaults"), "group"));
    }
}

#[test]
fn policies_let_in_by_name_what_pods_have() {
    let objects = objects(BASE);
    let workloads = workloads();
    let policies = of_kind(&objects, "NetworkPolicy");
    let closed = policies
        .iter()
        .find(|it| name(it) == "default-deny")
        .expect("a policy that lets nothing in");
    assert!(closed["spec"]["ingress"].is_null() && closed["spec"]["egress"].is_null(), "{closed}");
    assert_eq!(strings(&closed["spec"]["policyTypes"]), ["Ingress", "Egress"]);
    for policy in policies {
        let selected = policy["spec"]["podSelector"]["matchLabels"].as_object().expect("labels");
        for (label, value) in selected {
            match label.as_str() {
                "app.kubernetes.io/name" => {
                    let (_, container) = &workloads[str_of(value, "a name")];
                    let ports: Vec<_> =
                        container["ports"].as_array().expect("ports").iter().map(name_of).collect();
                    for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
                        for port in rule["ports"].as_array().into_iter().flatten() {
                            let named = str_of(&port["port"], "a port by its name");
                            assert!(
                                ports.iter().any(|it| it == named),
                                "{} lets in `{named}`",
                                name(policy)
                            );
                        }
                    }
                }
                "app.kubernetes.io/part-of" => assert_eq!(value, "shadowline"),
                other => panic!("{} selects by {other}, which no pod has", name(policy)),
            }
        }
    }
    // What may predict reaches the two ports that answer predictions only, because there is a third.
    let predict = policies_by_name(&objects, "predict");
    let ports = predict["spec"]["ingress"][0]["ports"].as_array().expect("ports");
    let ports: Vec<_> = ports.iter().map(|it| str_of(&it["port"], "a port by its name")).collect();
    assert_eq!(ports, ["http", "grpc"]);
    let (pod, container) = &workloads["serving"];
    let operate = container["ports"].as_array().expect("ports");
    let operate = operate.iter().find(|it| it["name"] == "operate").expect("a port to operate it");
    let annotations = &pod["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], operate["containerPort"].to_string());
    let labels = &kustomization(BASE)["labels"][0];
    assert_eq!(
        (&labels["pairs"]["app.kubernetes.io/part-of"], &labels["includeTemplates"]),
        (&"shadowline".into(), &true.into())
    );
    // The namespaces of both overlays that make one are the same.
    let namespace = read(&format!("{}/namespace.yaml", overlay("plain")));
    assert_eq!(read(&format!("{}/namespace.yaml", overlay("strimzi"))), namespace);
    assert_eq!(
        documents("namespace", &namespace)[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
}
