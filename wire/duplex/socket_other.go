//go:build !unix

package duplex

import "net"

// direct does not exist here: the writer writes everything.
type direct struct{}

func newDirect(net.Conn) *direct { return nil }

func (*direct) write([]byte) int { return 0 }

// socketReader does not exist here: each readAhead has a buffer of its own.
type socketReader struct{}

func newSocketReader(net.Conn) *socketReader { return nil }

func (*socketReader) read() (*[]byte, []byte, error) { panic("wire: there is no socket reader") }
