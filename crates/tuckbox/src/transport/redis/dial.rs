//! [`Dialer`]: makes a connection that is ready for commands.

use std::{io, time::Duration};

use tokio::net::TcpStream;
use tuckbox_resp::{Command, ErrorReply, Reply, cmd};

use super::{
    address::RedisAddress,
    batch::Batch,
    connection::Connection,
    socket::Socket,
    state::{Lost, Replies},
};
#[cfg(not(feature = "redis-tls"))]
use crate::UrlError;
use crate::{Error, Options};

/// Connects, encrypts, and logs in.
pub(super) struct Dialer {
    address: RedisAddress,
    #[cfg(feature = "redis-tls")]
    tls: Option<super::tls::Tls>,
    connect_timeout: Duration,
    max_in_flight: usize,
    max_idle: Duration,
}

impl Dialer {
    /// # Errors
    /// [`Error::Open`] when the CA file cannot be used, [`Error::Url`] when this
    /// build cannot encrypt.
    pub(super) fn new(address: &RedisAddress, options: &Options) -> Result<Self, Error> {
        #[cfg(not(feature = "redis-tls"))]
        if address.tls {
            let missing = UrlError::NotCompiledIn { scheme: "rediss", feature: "redis-tls" };
            return Err(missing.into());
        }
        Ok(Self {
            address: address.clone(),
            #[cfg(feature = "redis-tls")]
            tls: address.tls.then(|| super::tls::Tls::new(address, options)).transpose()?,
            connect_timeout: options.connect_timeout,
            max_in_flight: options.max_in_flight,
            max_idle: options.max_idle,
        })
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
        let host = (self.address.host.as_str(), self.address.port);
        let tcp = TcpStream::connect(host).await.map_err(|error| self.unavailable(error))?;
        // A command is small and waits for its reply: never hold it back.
        tcp.set_nodelay(true).map_err(|error| self.unavailable(error))?;
        let socket = self.encrypt(tcp).await.map_err(|error| self.unavailable(error))?;
        let connection = Connection::new(socket, self.max_in_flight, self.max_idle);
        self.log_in(&connection).await?;
        Ok(connection)
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
        let hello = match &self.address.password {
            Some(password) => hello
                .arg("AUTH")
                .arg(self.address.username.as_deref().unwrap_or("default"))
                .arg(password),
            None => hello,
        };
        hello.arg("SETNAME").arg("tuckbox").build()
    }

    fn auth(&self) -> Option<Command> {
        let password = self.address.password.as_ref()?;
        Some(match &self.address.username {
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
        let result = match connection.start(&Batch::Many(commands)) {
            Ok(exchange) => exchange.await,
            Err(lost) => Err(lost),
        };
        result.map_err(|lost| match lost {
            Lost::Busy => Error::Busy { limit: self.max_in_flight },
            Lost::Dead { cause, .. } if cause.garbled => Error::Protocol {
                address: self.address.to_string(),
                reason: cause.text.to_string(),
            },
            Lost::Dead { cause, .. } => {
                self.unavailable(io::Error::new(cause.kind, cause.text.to_string()))
            }
        })
    }

    /// No command of the caller's was sent while connecting.
    fn unavailable(&self, cause: io::Error) -> Error {
        Error::Unavailable { address: self.address.to_string(), maybe_applied: false, cause }
    }
}

/// Whether a server (Redis before 6, some proxies) refused `HELLO` itself, not
/// the login in it.
fn knows_no_hello(refusal: &ErrorReply) -> bool {
    matches!(refusal.code(), "ERR" | "NOPROTO")
}
