package debug

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// get asks a handler for a page.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
	return r
}

// bed is a server that serves on a network in memory, in a synctest bubble.
type bed struct {
	t   *testing.T
	net wiretest.Network
	srv *momserver.Server
}

const memAddr = "mem-server:7420"

func newBed(t *testing.T, cfg momserver.Config) *bed {
	t.Helper()
	b := &bed{t: t, srv: momserver.New(cfg)}
	l, err := b.net.Listen(memAddr)
	if err != nil {
		t.Fatal(err)
	}
	go b.srv.Serve(l)
	synctest.Wait()
	return b
}

// event returns an event of a job of its own.
func (b *bed) event(state wire.State) wire.Event {
	return wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: state}}}
}

func (b *bed) publish(state wire.State) {
	b.t.Helper()
	if err := b.srv.Publish(b.event(state)); err != nil {
		b.t.Fatal(err)
	}
}

// subscription is a client's.
type subscription struct {
	*momclient.Client
	release func() // lets the handler go on
}

// subscribe subscribes a client. With a queue its handler stands still until
// it is released.
func (b *bed) subscribe(name string, queue int) subscription {
	b.t.Helper()
	c := momclient.New(memAddr, momclient.Options{Name: name, Queue: queue, DialContext: b.net.DialContext})
	b.t.Cleanup(func() { c.Close() })
	wait := make(chan struct{})
	c.OnEvent(func(wire.Event) {
		if queue > 0 {
			<-wait
		}
	})
	if err := c.Subscribe(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
	return subscription{c, sync.OnceFunc(func() { close(wait) })}
}
