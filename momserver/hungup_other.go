//go:build !unix

package momserver

import "net"

// hungUp is not known on these systems.
func hungUp(net.Conn) bool { return false }
