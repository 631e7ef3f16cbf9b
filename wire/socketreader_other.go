//go:build !unix

package wire

import "net"

// socketReader does not exist here: each inflow has a buffer of its own.
type socketReader struct{}

func newSocketReader(net.Conn) *socketReader { return nil }

func (*socketReader) read() (*[]byte, []byte, error) { panic("wire: there is no socket reader") }
