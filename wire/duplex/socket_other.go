//go:build !unix

package duplex

import "net"

// direct writes nothing on these systems, so the writer writes everything.
type direct struct{}

func newDirect(net.Conn) *direct { return nil }

func (*direct) write([]byte) int { return 0 }

// socketReader is not used on these systems: each readAhead has its own buffer.
type socketReader struct{}

func newSocketReader(net.Conn) *socketReader { return nil }

func (*socketReader) read() (*[]byte, []byte, error) { panic("duplex: there is no socket reader") }
