package duplex

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of <linux/tcp.h>, which package syscall
// does not have for every processor.
const tcpUserTimeout = 18

// setUserTimeout bounds how long sent data may stay unacknowledged. If the kernel
// refuses it, the deadlines of this package still hold.
func setUserTimeout(socket *net.TCPConn, limit time.Duration) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(limit.Milliseconds()))
	})
}
