//! `moto`, from PyPI: S3 as the users of Amazon's SDKs test against.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::{eventually, free_address, installed};

const REQUIREMENTS: &str = include_str!("../storage/requirements.txt");

/// A running `moto`. It is killed when dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    /// A storage without a bucket, on a free port of this machine.
    pub fn start() -> Self {
        let python = installed::python("moto", REQUIREMENTS).expect("moto can be installed");
        let port = free_address().port();
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command.env_clear().stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let moto = Self {
            child: child.expect("what was installed can be started"),
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        eventually("moto to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        moto
    }

    /// Where the storage listens.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes the bucket `belljar`.
    pub fn make_bucket(&self) {
        let python = installed::python("moto", REQUIREMENTS).expect("moto is installed");
        let code = format!(
            "import boto3; boto3.client('s3', endpoint_url='{}', region_name='us-east-1', aws_access_key_id='a', \
             aws_secret_access_key='b').create_bucket(Bucket='belljar')",
            self.endpoint
        );
        let made = Command::new(python).args(["-c", &code]).env_clear().output();
        let made = made.expect("what was installed can be started");
        assert!(made.status.success(), "{made:?}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
