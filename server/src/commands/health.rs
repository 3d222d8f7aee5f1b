//! `belljar health`: asks the server that has these settings whether calls are welcome,
//! for whoever can start a program beside it and has nothing else to ask with.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{complain, event_loop, say};
use crate::config::{Config, Serving};

/// How long an answer may take. Docker waits 30 s, Kubernetes 1 s unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer: reasons in a few words each.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Says what the server says, and fails unless calls are welcome. The exit code is 0 or
/// 1, which is all that Docker lets it be.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let asked = event_loop(1)?.block_on(async {
        let asked = timeout(PATIENCE, ask(&config.serving)).await;
        asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())))
    });
    match asked {
        Ok((status, said)) => {
            say(&said);
            Ok(if status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn ask(serving: &Serving) -> anyhow::Result<(StatusCode, String)> {
    let address = beside(serving.listen);
    ensure!(address.port() != 0, "listen is {address}: name the port that the server chose by --listen");
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody listens on {address}"))?;
    if serving.tls.is_none() {
        return exchange(stream, address).await;
    }
    let tls = TlsConnector::from(Arc::new(client_config()?));
    let stream = tls.connect(ServerName::from(address.ip()), stream).await;
    exchange(stream.with_context(|| format!("there is no TLS with {address}"))?, address).await
}

/// Where a server that listens on `listen` is found from its own machine.
fn beside(listen: SocketAddr) -> SocketAddr {
    let ip = match listen {
        SocketAddr::V4(listen) if listen.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(listen) if listen.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        listen => listen.ip(),
    };
    // The address keeps its scope, without which an address of one link is that of none.
    let mut beside = listen;
    beside.set_ip(ip);
    beside
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) -> anyhow::Result<(StatusCode, String)> {
    let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
    // A scope is of this machine alone, and in no name.
    let host = SocketAddr::new(address.ip(), address.port()).to_string();
    let request = Request::get("/readyz").header(HOST, host).body(Empty::new())?;
    let answer = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer breaks off: {error}"))?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection does the work, and may be over before its last bytes were taken.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answered = answer.as_mut() => return answered,
        ended = connection => ended?,
    }
    answer.await
}

fn client_config() -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Any { provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Takes every certificate. No secret is sent, and the server may have another than lies
/// in its files, while one of two was renewed and the other is late.
#[derive(Debug)]
struct Any {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_on_this_machine() {
        for (listen, asked) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.5:80", "10.0.0.5:80")]
        {
            assert_eq!(beside(listen.parse().unwrap()), asked.parse().unwrap());
        }
        let of_a_link = "[fe80::1%2]:80".parse().unwrap();
        assert_eq!(beside(of_a_link), of_a_link);
    }
}
