//! [`Dialer`]: makes a connection that is ready for commands.

#[cfg(feature = "redis-cluster")]
use std::sync::Arc;
use std::{fmt, io, time::Duration};

use tokio::net::TcpStream;
use tuckbox_resp::{Command, ErrorReply, Reply, cmd};

#[cfg(feature = "redis-cluster")]
use super::{address::Endpoint, sentinel::Sentinels};
use super::{
    address::RedisAddress,
    batch::{Batch, Piece},
    connection::Connection,
    socket::Socket,
    state::{Lost, Replies},
};
#[cfg(not(feature = "redis-tls"))]
use crate::UrlError;
use crate::{Error, Options};

/// Connects, encrypts, and logs in.
#[derive(Clone)]
pub(super) struct Dialer {
    address: RedisAddress,
    #[cfg(feature = "redis-tls")]
    tls: Option<super::tls::Tls>,
    connect_timeout: Duration,
    max_in_flight: usize,
    max_idle: Duration,
    /// Who is asked for the endpoint, each time.
    #[cfg(feature = "redis-cluster")]
    sentinels: Option<Arc<Sentinels>>,
}

impl Dialer {
    /// # Errors
    /// [`Error::Open`] when the CA file cannot be used, [`Error::Url`] when this
    /// build cannot encrypt.
    pub(super) fn new(address: RedisAddress, options: &Options) -> Result<Self, Error> {
        #[cfg(not(feature = "redis-tls"))]
        if address.tls {
            let missing = UrlError::NotCompiledIn { scheme: "rediss", feature: "redis-tls" };
            return Err(missing.into());
        }
        Ok(Self {
            #[cfg(feature = "redis-tls")]
            tls: address.tls.then(|| super::tls::Tls::new(&address, options)).transpose()?,
            address,
            connect_timeout: options.connect_timeout,
            max_in_flight: options.max_in_flight,
            max_idle: options.max_idle,
            #[cfg(feature = "redis-cluster")]
            sentinels: None,
        })
    }

    /// The same for another server that is reached and logged in to alike.
    ///
    /// # Errors
    /// [`Error::Url`] when the host can have no certificate.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn to(&self, endpoint: Endpoint) -> Result<Self, Error> {
        let mut other = self.clone();
        #[cfg(feature = "redis-tls")]
        if let Some(tls) = &mut other.tls {
            tls.expect(&endpoint.host)?;
        }
        other.address.endpoint = endpoint;
        other.sentinels = None;
        Ok(other)
    }

    /// The same for the server that `sentinels` name when it is connected to.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn watched_by(self, sentinels: Arc<Sentinels>) -> Self {
        Self { sentinels: Some(sentinels), ..self }
    }

    #[cfg(feature = "redis-cluster")]
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.address.endpoint
    }

    /// A connection on which commands can be sent at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none in time, [`Error::Reply`] when
    /// the server refuses the login or the database.
    pub(super) async fn dial(&self) -> Result<Connection, Error> {
        match tokio::time::timeout(self.connect_timeout, self.dial_now()).await {
            Ok(result) => result,
            Err(_) => Err(self.unavailable(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {} ms", self.connect_timeout.as_millis()),
            ))),
        }
    }

    async fn dial_now(&self) -> Result<Connection, Error> {
        #[cfg(feature = "redis-cluster")]
        if let Some(sentinels) = &self.sentinels {
            return self.dial_watched(sentinels).await;
        }
        self.dial_endpoint().await
    }

    /// Asks the sentinels where to connect to, and the server there whether it
    /// agrees: for a moment after a failover they can be wrong.
    #[cfg(feature = "redis-cluster")]
    async fn dial_watched(&self, sentinels: &Sentinels) -> Result<Connection, Error> {
        let dialer = self.to(sentinels.master().await?)?;
        let connection = dialer.dial_endpoint().await?;
        let role = dialer.replies(&connection, &[cmd!("ROLE")]).await?.pop();
        let role = role.unwrap_or(Reply::Null).into_result()?.into_array()?;
        match role.first() {
            Some(Reply::Bulk(role)) if role == "master" => Ok(connection),
            _ => Err(dialer.unavailable(io::Error::new(
                io::ErrorKind::NotConnected,
                "the server that the sentinels name is not a master yet, or not any more",
            ))),
        }
    }

    async fn dial_endpoint(&self) -> Result<Connection, Error> {
        let socket = self.connect().await.map_err(|error| self.unavailable(error))?;
        let connection = Connection::new(socket, self.max_in_flight, self.max_idle);
        self.log_in(&connection).await?;
        Ok(connection)
    }

    async fn connect(&self) -> io::Result<Socket> {
        let endpoint = &self.address.endpoint;
        #[cfg(unix)]
        if let Some(path) = endpoint.unix() {
            return Ok(Socket::Unix(tokio::net::UnixStream::connect(path).await?));
        }
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        // A command is small and waits for its reply: never hold it back.
        tcp.set_nodelay(true)?;
        self.encrypt(tcp).await
    }

    #[cfg(feature = "redis-tls")]
    async fn encrypt(&self, tcp: TcpStream) -> io::Result<Socket> {
        Ok(match &self.tls {
            Some(tls) => Socket::Tls(Box::new(tls.encrypt(tcp).await?)),
            None => Socket::Plain(tcp),
        })
    }

    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unused_async, reason = "encryption waits for the server")]
    async fn encrypt(&self, tcp: TcpStream) -> io::Result<Socket> {
        Ok(Socket::Plain(tcp))
    }

    /// RESP3, user and database in one round trip; one more with a server that
    /// does not know `HELLO`.
    async fn log_in(&self, connection: &Connection) -> Result<(), Error> {
        let select = (self.address.database != 0).then(|| cmd!("SELECT", self.address.database));
        if self.address.resp3 {
            let mut commands = vec![self.hello()];
            commands.extend(select.clone());
            match self.refusal(connection, &commands).await? {
                None => return Ok(()),
                Some(refusal) if !knows_no_hello(&refusal) => return Err(refusal.into()),
                Some(_) => {}
            }
        }
        let commands: Vec<Command> = self.auth().into_iter().chain(select).collect();
        if commands.is_empty() {
            return Ok(());
        }
        self.refusal(connection, &commands).await?.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    fn hello(&self) -> Command {
        let hello = Command::new("HELLO").arg("3");
        let hello = match &self.address.login.password {
            Some(password) => hello
                .arg("AUTH")
                .arg(self.address.login.username.as_deref().unwrap_or("default"))
                .arg(password),
            None => hello,
        };
        hello.arg("SETNAME").arg("tuckbox").build()
    }

    fn auth(&self) -> Option<Command> {
        let password = self.address.login.password.as_ref()?;
        Some(match &self.address.login.username {
            Some(username) => cmd!("AUTH", username, password),
            None => cmd!("AUTH", password),
        })
    }

    /// The first error among the replies to `commands`.
    async fn refusal(
        &self,
        connection: &Connection,
        commands: &[Command],
    ) -> Result<Option<ErrorReply>, Error> {
        let replies = self.replies(connection, commands).await?;
        Ok(replies.into_iter().find_map(|reply| match reply {
            Reply::Error(error) => Some(error),
            _ => None,
        }))
    }

    async fn replies(
        &self,
        connection: &Connection,
        commands: &[Command],
    ) -> Result<Replies, Error> {
        let result = match connection.start(&Batch::of(Piece::plain(commands))) {
            Ok(exchange) => exchange.await,
            Err(lost) => Err(lost),
        };
        result.map_err(|lost| match lost {
            Lost::Busy => self.busy(),
            Lost::Dead { cause, .. } if cause.garbled => self.protocol_error(&cause.text),
            Lost::Dead { cause, .. } => {
                self.unavailable(io::Error::new(cause.kind, cause.text.to_string()))
            }
        })
    }

    pub(super) fn busy(&self) -> Error {
        Error::Busy { limit: self.max_in_flight }
    }

    pub(super) fn protocol_error(&self, reason: &str) -> Error {
        Error::Protocol { address: self.to_string(), reason: reason.to_owned() }
    }

    /// No command of the caller's was sent while connecting.
    fn unavailable(&self, cause: io::Error) -> Error {
        Error::Unavailable { address: self.to_string(), maybe_applied: false, cause }
    }
}

/// Where it connects to, without credentials.
impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "redis-cluster")]
        if let Some(sentinels) = &self.sentinels {
            return sentinels.fmt(f);
        }
        self.address.fmt(f)
    }
}

/// Whether a server (Redis before 6, some proxies) refused `HELLO` itself, not
/// the login in it.
fn knows_no_hello(refusal: &ErrorReply) -> bool {
    matches!(refusal.code(), "ERR" | "NOPROTO")
}
