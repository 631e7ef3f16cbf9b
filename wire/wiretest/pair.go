package wiretest

import (
	"runtime"
	"testing"

	"mom.internal/momclient"
	"mom.internal/momserver"
)

// NewPair returns a server that serves on a [Network] of its own, and a client
// of the server that is not subscribed yet, so that handlers can be set first.
// Both are closed when the test ends, and no further call of the OnConnection
// handler begins then. If opts has a DialContext, the client
// uses that and not the network.
func NewPair(t testing.TB, cfg momserver.Config, opts momclient.Options) (*momserver.Server, *momclient.Client) {
	t.Helper()
	const address = "mem-server:7420"
	var n Network
	l, err := n.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	if opts.DialContext == nil {
		opts.DialContext = n.DialContext
	}
	srv, client := momserver.New(cfg), momclient.New(address, opts)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	for srv.Health() != nil {
		runtime.Gosched()
	}
	t.Cleanup(func() {
		client.OnConnection(nil)
		client.Close()
		srv.Close()
		<-served
	})
	return srv, client
}
