//go:build !linux

package duplex

import (
	"net"
	"time"
)

// setUserTimeout does nothing, because these systems have no such option.
func setUserTimeout(*net.TCPConn, time.Duration) {}
