//! Whom the agent believes over TLS, and what it says of whom it does not.

use std::process::Command;

use anyhow::Result;
use komandorr_agent::commands;

use crate::{
    mosquitto::{Mosquitto, Subscriber},
    support::{Counters, config, sh},
};

#[tokio::test]
async fn tls_is_verified_and_a_private_authority_can_be_given() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().display();
    sh(&format!(
        "cd {at} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
         -days 2 -subj /CN=ca -keyout ca.key -out ca.pem && openssl req -newkey ec -pkeyopt \
         ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key.pem -out csr.pem && \
         printf 'subjectAltName=DNS:localhost' > ext && openssl x509 -req -in csr.pem -CA ca.pem \
         -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem 2>&1"
    ))?;
    let tls = format!("certfile {at}/cert.pem\nkeyfile {at}/key.pem");
    let lines = format!("listener PORT\nallow_anonymous true\n{tls}");
    let broker = Mosquitto::start(dir.path(), &lines).await?;
    let way = format!("-h localhost -p {} --cafile {at}/ca.pem", broker.port);
    let _subscriber = Subscriber::through(&way).await?;
    let mut source = Counters::default().source();
    let mut try_it = async |host: &str, ca: Option<&str>| -> Result<()> {
        let url = format!("mqtts://{host}:{}", broker.port);
        let mut config = config(&url, dir.path())?;
        config.ca = ca.map(|file| dir.path().join(file));
        commands::check(&config, &mut *source, &mut Vec::new()).await
    };
    try_it("localhost", Some("ca.pem")).await?;
    let error = try_it("127.0.0.1", Some("ca.pem")).await.err();
    let error = error.map(|e| format!("{e:#}")).unwrap_or_default();
    assert!(error.contains("name that stands in the server's certificate"), "{error}");
    let error = try_it("localhost", None).await.err();
    let error = error.map(|e| format!("{e:#}")).unwrap_or_default();
    assert!(error.contains("--ca FILE"), "{error}");
    // The system's authorities, which may stand in a file of their own.
    let mut program = Command::new(env!("CARGO_BIN_EXE_komandorr-agent"));
    program.args(["check", "--service", "web-1", "--interface", "lo"]);
    program.args(["--url", &format!("mqtts://localhost:{}", broker.port)]);
    program.args(["--state-dir", &dir.path().join("state").display().to_string()]);
    let out = program.env("SSL_CERT_FILE", dir.path().join("ca.pem")).output()?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

#[tokio::test]
async fn a_self_signed_authority_is_told_from_a_servers_certificate() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().display();
    let make = |more: &str| {
        sh(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=localhost -addext subjectAltName=DNS:localhost {more} \
             -keyout {at}/key.pem -out {at}/cert.pem 2>&1"
        ))
    };
    let tls = format!("certfile {at}/cert.pem\nkeyfile {at}/key.pem");
    let lines = format!("listener PORT\nallow_anonymous true\n{tls}");
    let try_it = async || -> Result<String> {
        let broker = Mosquitto::start(dir.path(), &lines).await?;
        let way = format!("-h localhost -p {} --cafile {at}/cert.pem", broker.port);
        let _subscriber = Subscriber::through(&way).await?;
        let mut config = config(&format!("mqtts://localhost:{}", broker.port), dir.path())?;
        config.ca = Some(dir.path().join("cert.pem"));
        let mut source = Counters::default().source();
        let checked = commands::check(&config, &mut *source, &mut Vec::new()).await;
        Ok(checked.err().map(|error| format!("{error:#}")).unwrap_or_default())
    };
    make("")?;
    let error = try_it().await?;
    assert!(error.contains("certificate is an authority's"), "{error}");
    // What the advice says is what helps.
    let (_, options) = error.split_once("openssl req -x509 .. ").unwrap_or_default();
    let extension = options.split_whitespace().nth(1).unwrap_or_default();
    assert_eq!(extension, "basicConstraints=critical,CA:FALSE", "{error}");
    make(&format!("-addext {extension}"))?;
    assert_eq!(try_it().await?, "");
    Ok(())
}
