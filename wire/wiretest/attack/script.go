package attack

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Script is a connection whose peer says what was written down, takes whatever
// it is told, and hangs up at the end.
type Script struct {
	net.Conn // a pipe's, for its addresses and deadlines: a script never stalls
	says     *bytes.Reader

	mu     sync.Mutex // guards the fields below
	heard  bytes.Buffer
	closed bool
	over   chan struct{}
}

// NewScript returns a connection to a peer that says data.
func NewScript(data []byte) *Script {
	pipe, _ := net.Pipe()
	return &Script{Conn: pipe, says: bytes.NewReader(data), over: make(chan struct{})}
}

// Read reads what the peer says.
func (s *Script) Read(p []byte) (int, error) {
	select {
	case <-s.over:
		return 0, net.ErrClosed
	default:
		return s.says.Read(p)
	}
}

// Write is heard by the peer.
func (s *Script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	return s.heard.Write(p)
}

// Heard returns what the peer has heard so far.
func (s *Script) Heard() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.heard.Bytes())
}

// Close ends the connection.
func (s *Script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.over)
	}
	return nil
}

// Over is closed with the connection.
func (s *Script) Over() <-chan struct{} { return s.over }

// Streams returns the captured streams in testdata/streams whose names have the
// ending, as seeds. top is where the repository begins.
func Streams(t testing.TB, top, ending string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(top, "testdata", "streams", "*"+ending))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var all [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}
