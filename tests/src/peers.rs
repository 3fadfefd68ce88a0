//! Real servers of calendars: nginx with files, and Radicale (CalDAV) with collections.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::web::Authority;
use crate::{eventually, repository};

/// The user that both let in, the password, and how these stand in a URL and in a header.
const LOGIN: (&str, &str) = ("ada", "p@ss/w%rd");
const LOGIN_IN_URL: &str = "ada:p%40ss%2Fw%25rd";
const LOGIN_IN_HEADER: &str = "YWRhOnBAc3MvdyVyZA==";

/// nginx over TLS, with a page that takes a login and a port that redirects from http; ends when it goes out of scope.
pub struct Nginx {
    process: Child,
    folder: PathBuf,
    tls: u16,
    plain: u16,
}

impl Nginx {
    /// `None`, and the reason as a line `skipped: ...`, where bin/setup has found no nginx.
    pub fn start(folder: &Path, authority: &Authority) -> Option<Self> {
        let program = repository().join("target/nginx/usr/sbin/nginx");
        if !program.exists() {
            println!("skipped: there is no nginx in target/nginx");
            return None;
        }
        let (tls, plain) = (free_port(), free_port());
        fs::create_dir_all(folder.join("www/private")).expect("a folder");
        let (certificate, key) = authority.issue();
        let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
        fs::write(path("certificate.pem"), certificate).expect("write");
        fs::write(path("key.pem"), key).expect("write");
        fs::write(path("users"), format!("{}:{{PLAIN}}{}\n", LOGIN.0, LOGIN.1)).expect("write");
        fs::write(path("access"), "").expect("write");
        let config = format!(
            "daemon off; master_process off; pid {pid}; error_log {error};\n\
             events {{}}\n\
             http {{\n\
               log_format story '$status $scheme $uri $sent_http_content_encoding';\n\
               access_log {access} story;\n\
               client_body_temp_path {tmp}; proxy_temp_path {tmp}; fastcgi_temp_path {tmp};\n\
               uwsgi_temp_path {tmp}; scgi_temp_path {tmp};\n\
               types {{ text/calendar ics; }}\n\
               gzip on; gzip_types text/calendar; gzip_min_length 100;\n\
               server {{\n\
                 listen 127.0.0.1:{tls} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
                 root {www};\n\
                 location /private/ {{ auth_basic calendars; auth_basic_user_file {users}; }}\n\
               }}\n\
               server {{ listen 127.0.0.1:{plain}; return 301 https://127.0.0.1:{tls}$request_uri; }}\n\
             }}\n",
            pid = path("pid"),
            error = path("error"),
            access = path("access"),
            tmp = path("tmp"),
            certificate = path("certificate.pem"),
            key = path("key.pem"),
            www = path("www"),
            users = path("users"),
        );
        fs::write(path("nginx.conf"), config).expect("nginx's configuration");
        let process = start(Command::new(program).args(["-e", &path("error"), "-c", &path("nginx.conf")]), plain);
        Some(Self { process, folder: folder.to_owned(), tls, plain })
    }

    /// Serves a file from now on.
    pub fn serve(&self, path: &str, body: &str) {
        fs::write(self.folder.join("www").join(path), body).expect("write");
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.tls)
    }

    /// Redirects to [`Nginx::url`].
    pub fn plain_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.plain)
    }

    /// Its answers so far: `status scheme path content-encoding`, `-` for none.
    pub fn answers(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("access")).expect("nginx's log");
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Radicale with one user; ends when it goes out of scope.
pub struct Radicale {
    process: Child,
    port: u16,
}

impl Radicale {
    pub fn start(folder: &Path) -> Self {
        let port = free_port();
        let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
        fs::write(path("users"), format!("{}:{}\n", LOGIN.0, LOGIN.1)).expect("write");
        let config = format!(
            "[server]\nhosts = 127.0.0.1:{port}\n\
             [auth]\ntype = htpasswd\nhtpasswd_filename = {}\nhtpasswd_encryption = plain\ndelay = 0\n\
             [storage]\nfilesystem_folder = {}\n",
            path("users"),
            path("collections"),
        );
        fs::write(path("radicale.conf"), config).expect("Radicale's configuration");
        let program = repository().join("target/venv/bin/python");
        let process = start(Command::new(program).args(["-m", "radicale", "--config", &path("radicale.conf")]), port);
        Self { process, port }
    }

    /// Of a collection, with the login in it.
    pub fn url(&self, collection: &str) -> String {
        format!("http://{}@127.0.0.1:{}/{}/{collection}/", login(), self.port, LOGIN.0)
    }

    /// Puts a collection, or an event of one (`team/one.ics`), there.
    pub fn put(&self, path: &str, body: &str) {
        self.ask("PUT", path, body);
    }

    pub fn delete(&self, path: &str) {
        self.ask("DELETE", path, "");
    }

    fn ask(&self, method: &str, path: &str, body: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("Radicale listens");
        let request = format!(
            "{method} /{}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Basic {LOGIN_IN_HEADER}\r\n\
             Content-Type: text/calendar\r\nContent-Length: {}\r\n\r\n{body}",
            LOGIN.0,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.0 2"), "{method} {path}: {answer}");
    }
}

impl Drop for Radicale {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// `user:password`, as a URL has it.
pub fn login() -> &'static str {
    LOGIN_IN_URL
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Starts a server and waits until it listens.
fn start(command: &mut Command, port: u16) -> Child {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    eventually("the server listens", || {
        let ended = process.try_wait().expect("its state");
        assert!(ended.is_none(), "{command:?} has ended: {ended:?}");
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    process
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
