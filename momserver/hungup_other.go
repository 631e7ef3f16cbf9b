//go:build !unix

package momserver

import "net"

// hungUp returns false, because on these systems it cannot look at a connection
// without reading from it.
func hungUp(net.Conn) bool { return false }
