//! What is said of errors that no server of the tests makes.

use std::time::Duration;

use komandorr_wire::ServiceId;
use rustls::{CertificateError, pki_types::UnixTime};

use super::*;
use crate::config::Config;

fn explained(error: io::Error) -> Trouble {
    let service = ServiceId::new("web-1").unwrap();
    let config = Config::new("mqtt://h".parse().unwrap(), service, "/nowhere".into());
    let access = Access::for_check(&config).unwrap();
    Explain { access: &access, connected: false }.error(&ConnectionError::Io(error))
}

fn certificate(error: CertificateError) -> Trouble {
    explained(io::Error::other(rustls::Error::InvalidCertificate(error)))
}

fn at(second: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(second))
}

#[test]
fn an_expired_certificate_is_the_same_trouble_at_each_attempt() {
    let expired = |time| CertificateError::ExpiredContext { time: at(time), not_after: at(1000) };
    let trouble = certificate(expired(5000));
    assert_eq!(trouble.step, Step::Tls);
    assert!(trouble.text.contains("has expired: renew it"), "{trouble}");
    assert_eq!(trouble, certificate(expired(5001)));
}

#[test]
fn a_certificate_of_the_future_names_the_clock() {
    let early =
        |time| CertificateError::NotValidYetContext { time: at(time), not_before: at(9000) };
    let trouble = certificate(early(50));
    assert!(trouble.text.contains("this machine's clock"), "{trouble}");
    assert_eq!(trouble, certificate(early(55)));
}

#[test]
fn only_an_error_about_a_name_is_one() {
    let name = "failed to lookup address information: Name or service not known";
    assert_eq!(explained(io::Error::other(name)).step, Step::Resolve);
    assert_eq!(explained(io::Error::other("No such host is known.")).step, Step::Resolve);
    assert_eq!(explained(io::Error::other("unknown error 42")).step, Step::Connect);
}
