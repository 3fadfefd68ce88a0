//! A real Prometheus reads calendar_metrics by way of a real exporter, as docs/monitoring.md says. It is there after
//! `make test-prometheus`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use calendar_sync_e2e::{Cluster, FakeWeb, eventually, repository};
use serde_json::Value;

use super::monitoring::{board, busy, exposition, expressions, monitor, page};

/// A program that is ended when it goes out of scope.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|error| panic!("{quiet:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(name: &str) -> PathBuf {
    repository().join("target/prometheus/usr/bin").join(name)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port()
}

/// What Prometheus' API answers; `None` while it starts.
fn ask(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// The series that an expression gives.
fn query(port: u16, expression: &str) -> Vec<Value> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = ask(port, &format!("/api/v1/query?query={encoded}")).unwrap_or_default();
    assert_ne!(answer["status"], "error", "{expression}: {answer}");
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
}

#[test]
fn prometheus_shows_the_board_and_raises_an_alert_when_the_worker_is_switched_off() {
    if !program("promtool").exists() {
        println!("skipped: there is no Prometheus; make test-prometheus unpacks it");
        return;
    }
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = busy(&cluster, &web);
    let samples = exposition(&mut monitor(&cluster, &mut client));
    let mut check =
        Command::new(program("promtool")).args(["check", "metrics"]).stdin(Stdio::piped()).spawn().expect("promtool");
    check.stdin.take().expect("its input").write_all(samples.as_bytes()).expect("promtool reads");
    assert!(check.wait().expect("promtool ends").success(), "{samples}");

    let (exporter_port, port) = (free_port(), free_port());
    let folder = cluster.folder().join("prometheus");
    fs::create_dir(&folder).expect("a folder");
    let config = page("prometheus/prometheus.yml").replace("9187", &exporter_port.to_string());
    let config = config.replace("scrape_interval: 15s", "scrape_interval: 1s");
    fs::write(folder.join("prometheus.yml"), format!("global:\n  evaluation_interval: 1s\n{config}")).expect("a file");
    fs::copy(repository().join("docs/prometheus/alerts.yml"), folder.join("alerts.yml")).expect("a file");
    let mut check = Command::new(program("promtool"));
    let checked = check.args(["check", "config"]).arg(folder.join("prometheus.yml")).output().expect("promtool");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let database = cluster.config("crm").get_ports()[0];
    let source = format!("postgresql://calendar_monitor:monitor@127.0.0.1:{database}/crm?sslmode=disable");
    let _exporter = Running::start(
        Command::new(program("prometheus-postgres-exporter"))
            .arg("--disable-default-metrics")
            .arg("--disable-settings-metrics")
            .arg(format!("--web.listen-address=127.0.0.1:{exporter_port}"))
            .arg(format!("--extend.query-path={}", repository().join("docs/prometheus/queries.yml").display()))
            .env("DATA_SOURCE_NAME", source),
    );
    let _prometheus = Running::start(
        Command::new(program("prometheus"))
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}")),
    );
    for expression in expressions(&board()) {
        let expression = expression.replace("$database", ".*").replace("$__rate_interval", "10s");
        eventually(&expression, || !query(port, &expression).is_empty());
    }

    let alerts = page("prometheus/alerts.yml").matches("- alert:").count();
    let healthy = |rules: Value| rules.to_string().matches("\"health\":\"ok\"").count();
    eventually("all alerts are looked at", || ask(port, "/api/v1/rules").map(healthy) == Some(alerts));
    let off = "ALERTS{alertname=\"CalendarSyncWorkerNotRunning\"}";
    assert!(query(port, off).is_empty());
    cluster.set("calendar_sync.worker", "off");
    eventually("the alert is raised", || !query(port, off).is_empty());
}
