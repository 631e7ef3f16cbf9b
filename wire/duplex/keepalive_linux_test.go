package duplex

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire"
)

// TestWatchPeer looks at what the kernel is told of a connection, under TLS as
// well.
func TestWatchPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, secured := range []bool{false, true} {
		for write, want := range map[time.Duration]int{5 * time.Second: 6250, time.Second: 1250, time.Millisecond: 1000, 24 * time.Hour: 120_000} {
			socket, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			nc := socket
			if secured {
				nc = tls.Client(socket, &tls.Config{ServerName: "server"})
			}
			conn := NewConn(nc, ConnConfig{MaxMessage: 1, MaxWaiting: 1, WriteTimeout: write, MessageTimeout: 1})
			raw, err := socket.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
				if err != nil || got != want {
					t.Errorf("TLS %v, writes %v: a user timeout of %d ms, %v; want %d", secured, write, got, err, want)
				}
				for option, want := range map[[2]int]int{{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}: 1, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}: 1, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT}: 3} {
					if got, err := syscall.GetsockoptInt(int(fd), option[0], option[1]); err != nil || got != want {
						t.Errorf("TLS %v, writes %v: option %d is %d, %v; want %d", secured, write, option[1], got, err, want)
					}
				}
				idle, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
				if err != nil || time.Duration(idle)*time.Second > max(write, time.Second) {
					t.Errorf("TLS %v, writes %v: keepalive after %d s, %v", secured, write, idle, err)
				}
			})
			conn.Close(wire.Errorf(wire.Closed, "looked at"))
			conn.Wait()
		}
	}
}
