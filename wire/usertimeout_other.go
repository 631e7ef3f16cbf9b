//go:build !linux

package wire

import (
	"net"
	"time"
)

// setUserTimeout does nothing here.
func setUserTimeout(*net.TCPConn, time.Duration) {}
