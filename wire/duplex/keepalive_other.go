//go:build !linux

package duplex

import (
	"net"
	"time"
)

// setUserTimeout does nothing here.
func setUserTimeout(*net.TCPConn, time.Duration) {}
