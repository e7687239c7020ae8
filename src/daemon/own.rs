//! Which addresses are this router's own: they are never granted.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Whether the address is one of this host's, or the broadcast address of one of its networks. The kernel is
/// asked: it binds a socket only to such addresses. Where it cannot be asked, the answer is yes.
#[must_use]
pub fn is_own(address: IpAddr) -> bool {
    match UdpSocket::bind(SocketAddr::new(address, 0)) {
        Ok(_) => true,
        Err(error) => {
            !matches!(error.kind(), std::io::ErrorKind::AddrNotAvailable)
                && error.raw_os_error() != Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn the_kernel_tells_own_addresses_from_others() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.77".parse().unwrap()));
        assert!(!is_own("2001:db8::77".parse().unwrap()));
    }
}
