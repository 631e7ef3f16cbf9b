//go:build unix

package momserver

import (
	"net"
	"syscall"
)

// hungUp reports whether the peer has closed or reset the connection, and no bytes
// are left to read. It does not block.
func hungUp(nc net.Conn) (gone bool) {
	socket, ok := nc.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err == syscall.ECONNRESET
		return true // in any case, so that RawConn does not wait for bytes
	})
	return gone
}
