//! [`Tls`]: encryption of `rediss://` connections.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::address::RedisAddress;
use crate::{Error, Options, UrlError};

/// Whom to trust and whom to expect.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl Tls {
    /// Trusts the CA file of the URL or the options, else the public CAs.
    ///
    /// # Errors
    /// [`Error::Open`] when the CA file cannot be read or holds no certificate.
    pub(super) fn new(address: &RedisAddress, options: &Options) -> Result<Self, Error> {
        let roots = match address.ca_file.as_ref().or(options.ca_file.as_ref()) {
            Some(file) => read_roots(file)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Open(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: Arc::new(config).into(), server: name(&address.endpoint.host)? })
    }

    /// Expects another host's certificate from now on.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn expect(&mut self, host: &str) -> Result<(), Error> {
        self.server = name(host)?;
        Ok(())
    }

    pub(super) async fn encrypt(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.server.clone(), tcp).await
    }
}

fn name(host: &str) -> Result<ServerName<'static>, UrlError> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| UrlError::Invalid("the host can have no certificate"))
}

fn read_roots(file: &Path) -> Result<RootCertStore, Error> {
    let open = |problem: String| {
        let text = format!("the CA file {}: {problem}", file.display());
        Error::Open(text.into())
    };
    let pem = std::fs::read(file).map_err(|error| open(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| open(error.to_string()))?;
        roots.add(certificate).map_err(|error| open(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(open("it holds no PEM certificate".to_owned()));
    }
    Ok(roots)
}
