//! How the broker is reached, and what is said where it is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::all;
use crate::certificates::Directory;
use crate::process::{PATIENCE, Server, mayfly, output_of, run, run_with_input, stderr};

/// Where nobody listens: port 1 of the loopback interface.
const NOBODY: [&str; 5] = ["store", "-h", "127.0.0.1", "-p", "1"];

/// A broker with a listener over TLS, whose clients need a certificate or a password, and one in plain text.
struct Secured {
    directory: Directory,
    server: Server,
    plain: String,
}

impl Secured {
    fn start(test: &str) -> Self {
        let directory = Directory::with_certificates(test);
        let passwd = ["passwd", directory.path("users").to_str().unwrap(), "alice"].map(str::to_owned);
        let passwd: Vec<_> = passwd.iter().map(String::as_str).collect();
        assert!(run_with_input(&mut mayfly(&passwd), b"wonderland\n").status.success());
        directory.write(
            "mayfly.toml",
            "[[listeners]]\nname = \"tls\"\nlisten = \"127.0.0.1:0\"\n\
             [listeners.tls]\ncertificate = \"server.pem\"\nkey = \"server-key.pem\"\nclient_ca = \"ca.pem\"\n\
             require_client_certificate = false\n\
             [listeners.authentication]\npasswords = \"users\"\n\
             [[listeners]]\nname = \"plain\"\nlisten = \"127.0.0.1:0\"\n",
        );
        let mut server = Server::start_with(&directory.path("mayfly.toml"));
        let line = server.process.stdout.next();
        let plain = line.rsplit(':').next().and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        Self { directory, server, plain }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path(name).to_str().unwrap().to_owned()
    }

    /// At the listener over TLS, by the name in its certificate.
    fn command(&self, arguments: &[&str]) -> Command {
        store_at("localhost", &self.server.address.port().to_string(), arguments)
    }

    fn store(&self, arguments: &[&str]) -> Output {
        output_of(&mut self.command(arguments))
    }
}

fn store_at(host: &str, port: &str, arguments: &[&str]) -> Command {
    mayfly(&[&["store", "--host", host, "--port", port], arguments].concat())
}

#[test]
fn a_client_certificate_over_tls_lets_in() {
    let secured = Secured::start("certificate");
    let (ca, cert, key) =
        (secured.path("ca.pem"), secured.path("client.pem"), secured.path("client-key.pem"));
    // By the names of mosquitto_pub, then by those of statestore-cli.
    for (cafile, certfile, keyfile) in
        [("--cafile", "--cert", "--key"), ("-T", "-C", "-K"), ("--cafile", "--certfile", "--keyfile")]
    {
        let tls = [cafile, &ca, certfile, &cert, keyfile, &key];
        let bytes = b"\0\xff\n";
        let set = run_with_input(&mut secured.command(&[&tls[..], &["set", "a", "-s"]].concat()), bytes);
        assert_eq!(set.status.code(), Some(0), "{set:?}");
        assert_eq!(secured.store(&[&tls[..], &["get", "a"]].concat()).stdout, bytes);
        assert_eq!(secured.store(&[&["del", "a"], &tls[..]].concat()).status.code(), Some(0));
    }
    let neither = secured.store(&["--cafile", &ca, "get", "a"]);
    assert_eq!(neither.status.code(), Some(2));
    assert!(stderr(&neither).contains("connection refused by the broker"), "{neither:?}");
    assert!(stderr(&neither).contains("(-u and --password-file) or a certificate (--cert and --key)"));
}

#[test]
fn a_password_comes_from_a_file_from_the_environment_or_as_an_option() {
    let secured = Secured::start("password");
    let ca = secured.path("ca.pem");
    secured.directory.write("password", "wonderland\nnot this\n");
    secured.directory.write("empty", "\n");
    let user = ["--cafile", &ca, "-u", "alice"];
    let with = |password: &[&str]| secured.store(&[&user[..], password, &["get", "a"]].concat());
    let absent = (1, "", "there is no key a\n");
    assert_eq!(all(&with(&["--password-file", &secured.path("password")])), absent);
    assert_eq!(all(&with(&["-P", "wonderland"])), absent);
    assert_eq!(all(&with(&["--pw", "wonderland"])), absent);
    let mut command = secured.command(&["--cafile", &ca, "get", "a"]);
    command.envs([("MAYFLY_USERNAME", "alice"), ("MAYFLY_PASSWORD", "wonderland")]);
    assert_eq!(all(&output_of(&mut command)), absent);
    // What is said in the command line goes before the environment.
    for password in [["-P", "wonderland"], ["--password-file", &secured.path("password")]] {
        let mut command = secured.command(&[&user[..], &password, &["get", "a"]].concat());
        assert_eq!(all(&output_of(command.env("MAYFLY_PASSWORD", "Wonderland"))), absent);
    }

    let wrong = with(&["-P", "Wonderland"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("connection refused by the broker: BadUserNamePassword"), "{wrong:?}");
    for (password, complaint) in [
        ([].as_slice(), "it may want the user's password: give it with --password-file, in MAYFLY_PASSWORD"),
        (&["--password-file", "/none"], "cannot read the password from /none: No such file"),
        (&["--password-file", &secured.path("empty")], "the first line is empty; expected the password"),
    ] {
        let output = with(password);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(complaint), "{output:?}");
    }
}

#[test]
fn a_certificate_of_the_broker_that_is_not_trusted_or_for_another_name_is_refused() {
    let secured = Secured::start("trust");
    let foreign = Directory::with_certificates("foreign-trust");
    let (ca, foreign_ca) = (secured.path("ca.pem"), foreign.path("ca.pem").to_str().unwrap().to_owned());
    let cert = ["--cert", &secured.path("client.pem"), "--key", &secured.path("client-key.pem")];
    let name = "its certificate is made out for DnsName(\"localhost\"), not for 127.0.0.1; use that name with --host, or --insecure";
    let unknown = "its certificate is signed by nobody who is trusted here; name its authority with --cafile";
    let get = |host: &str, options: &[&str]| {
        let port = secured.server.address.port().to_string();
        output_of(&mut store_at(host, &port, &[options, &cert, &["get", "a"]].concat()))
    };
    for (host, options, complaint) in [
        ("127.0.0.1", ["--cafile", &ca].as_slice(), name),
        ("localhost", &["--cafile", &foreign_ca], unknown),
        ("localhost", &["--cafile", &foreign_ca, "--insecure"], unknown),
    ] {
        let output = get(host, options);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {output:?}");
        assert!(stderr(&output).contains(complaint), "{options:?}: {output:?}");
    }
    let insecure = get("127.0.0.1", &["--cafile", &ca, "--insecure"]);
    assert_eq!(all(&insecure), (1, "", "there is no key a\n"));
}

#[test]
fn authorities_that_the_system_trusts_are_trusted_where_that_is_asked_for_and_no_others() {
    let secured = Secured::start("system");
    let foreign = Directory::with_certificates("foreign-system");
    let (ca, foreign_ca) = (secured.path("ca.pem"), foreign.path("ca.pem").to_str().unwrap().to_owned());
    let cert = ["--cert", &secured.path("client.pem"), "--key", &secured.path("client-key.pem")];
    for option in ["--tls-use-os-certs", "--tls"] {
        // Where the variable says what the system trusts.
        let get = |trusted: &str| {
            let mut command = secured.command(&[&[option], &cert[..], &["get", "a"]].concat());
            output_of(command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR"))
        };
        assert_eq!(all(&get(&ca)), (1, "", "there is no key a\n"));
        for (trusted, complaint) in [
            (&*foreign_ca, "is signed by nobody who is trusted here; name its authority with --cafile"),
            ("/none", "the operating system has no certificates of authorities"),
        ] {
            let output = get(trusted);
            assert_eq!(output.status.code(), Some(2), "{trusted}: {output:?}");
            assert!(stderr(&output).contains(complaint), "{trusted}: {output:?}");
        }
    }
}

/// As `mosquitto_pub` has it.
#[test]
fn a_user_name_needs_no_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = std::thread::spawn(move || {
        run(&["store", "-h", "127.0.0.1", "-p", &port, "-u", "alice", "get", "a"])
    });
    let mut connect = [0; 10];
    listener.accept().unwrap().0.read_exact(&mut connect).unwrap();
    assert_eq!(connect[9] & 0b1100_0000, 0b1000_0000, "User Name Flag and Password Flag: {connect:?}");
    client.join().unwrap();

    let secured = Secured::start("name-alone");
    let get = ["-u", "alice", "get", "a"];
    assert_eq!(
        all(&output_of(&mut store_at("localhost", &secured.plain, &get))),
        (1, "", "there is no key a\n")
    );
    let refused = secured.store(&[&["--cafile", &secured.path("ca.pem")], &get[..]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("it may want the user's password: give it with --password-file"),
        "{refused:?}"
    );
}

#[test]
fn tls_where_there_is_none_and_none_where_it_is_wanted_is_said() {
    let secured = Secured::start("mixed-up");
    let ca = secured.path("ca.pem");
    let begin = Instant::now();
    let output = output_of(&mut store_at("localhost", &secured.plain, &["--cafile", &ca, "get", "a"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with(&format!("mayfly: cannot connect to localhost:{}: ", secured.plain)),
        "{output:?}"
    );
    let output = secured.store(&["get", "a", "--timeout", "5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).ends_with("; if it wants TLS, give --cafile\n"), "{output:?}");
    assert!(begin.elapsed() < PATIENCE);

    // Some other server, which answers in its own words.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client has read it.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let output = output_of(&mut store_at("localhost", &port, &["--cafile", &ca, "get", "a"]));
    assert!(stderr(&output).contains("what listens there does not speak TLS"), "{output:?}");
    server.join().unwrap();
}

#[test]
fn without_a_broker_one_line_says_so_at_once() {
    let begin = Instant::now();
    for command in
        [["get", "a"].as_slice(), &["watch", "a"], &["scan"], &["lock", "a"], &["lock", "a", "--no-wait"]]
    {
        let output = run(&[&NOBODY, command].concat());
        assert_eq!(
            all(&output),
            (
                2,
                "",
                "mayfly: no broker at 127.0.0.1:1: Connection refused (os error 111); start one with: mayfly serve\n"
            )
        );
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_broker_that_says_nothing_is_waited_for_so_long() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let begin = Instant::now();
    let output = run(&["store", "-h", "127.0.0.1", "-p", &port, "--timeout", "500ms", "get", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no CONNACK within the time allowed"), "{output:?}");
    assert!(begin.elapsed() >= Duration::from_millis(500) && begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let directory = Directory::with_certificates("contradictions");
    let path = |name: &str| directory.path(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client-key.pem"));
    for (options, complaint) in [
        (
            ["-h", "localhost:1883"].as_slice(),
            "--host `localhost:1883` holds a port; write -h localhost -p 1883",
        ),
        (&["-h", ""], "--host is empty"),
        (&["-p", "0"], "0 is not in 1.."),
        (
            &["--notls", "--cafile", &ca],
            "--notls contradicts --cafile, which is about TLS; leave one of them out",
        ),
        (&["--notls", "--tls"], "--notls contradicts --tls-use-os-certs"),
        (&["--notls", "--cert", &cert, "--key", &key], "--notls contradicts --cert and --key"),
        (&["--notls", "--insecure"], "--notls contradicts --insecure"),
        (
            &["--cafile", &ca, "--cert", &cert],
            "--cert needs the certificate's private key; give it with --key",
        ),
        (
            &["--key", "a"],
            "--key a is a private key and needs a certificate; give it with --cert. A key of the store",
        ),
        (&["--cert", &cert, "--key", &key], "who may sign the broker's certificate? Give --cafile"),
        (&["--insecure"], "who may sign the broker's certificate? Give --cafile"),
        (&["--cafile", "/none"], "/none: cannot be read: No such file"),
        (&["--cafile", &key], "client-key.pem: holds no certificate; expected a block that begins with"),
        (
            &["--cafile", &ca, "--cert", &ca, "--key", &key],
            "client-key.pem: is not the key of the first certificate in",
        ),
        (&["--cafile", &ca, "-h", "a b"], "`a b` is neither a DNS name nor an IP address"),
        (&["--password-file", &ca], "--password-file needs a user name; give it with -u"),
        (&["-P", "secret"], "--password needs a user name; give it with -u"),
        (
            &["-u", "a", "-P", "b", "--password-file", &ca],
            "the password is given twice: with --password-file and with",
        ),
        (&["-i", "a/#"], "contains a wildcard"),
    ] {
        let output = run(&[&["store"], options, &["get", "a"]].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(stderr(&output).contains(complaint), "{options:?}: {}", stderr(&output));
    }
}

#[test]
fn the_environment_says_where_the_broker_is() {
    let server = Server::start();
    let mut command = mayfly(&["store", "get", "a"]);
    command.env("MAYFLY_HOST", "127.0.0.1").env("MAYFLY_PORT", server.address.port().to_string());
    assert_eq!(all(&output_of(&mut command)), (1, "", "there is no key a\n"));
    assert_eq!(output_of(command.args(["-p", "1"])).status.code(), Some(2));
}
