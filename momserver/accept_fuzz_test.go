package momserver_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
)

// oneConn is a listener to which one client comes.
type oneConn struct {
	conn  chan net.Conn
	close chan struct{}
}

func newOneConn(nc net.Conn) *oneConn {
	l := &oneConn{make(chan net.Conn, 1), make(chan struct{}, 8)}
	l.conn <- nc
	return l
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conn:
		return nc, nil
	case <-l.close:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	select {
	case l.close <- struct{}{}:
	default:
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return new(net.UnixAddr) }

// FuzzServer is a whole server connection: the greeting and all that follows.
// Whatever comes, the server tells no secret, ends the connection with a reason
// that fits, and leaves nothing running.
func FuzzServer(f *testing.F) {
	const token = "open sesame"
	hello := append([]byte("MoM\x01\x01\x00\x0b"), token...)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(hello[:9])
	f.Add(hello)
	for _, a := range attack.Attacks("MoM.Subscribe") {
		f.Add(append(bytes.Clone(hello), attack.Frame(1, a.Payload)...))
		f.Add(append(bytes.Clone(hello), attack.Frame(2, a.Payload)...))
	}
	for _, calls := range attack.Streams(f, "..", ".frames") {
		f.Add(append(bytes.Clone(hello), calls...))
	}
	for _, args := range []protocol.SubscribeArgs{
		{Name: "n", Credit: protocol.Credit{Events: 10, Bytes: 1 << 40}, Filter: wire.Filter{Names: []string{"job"}}},
		{From: wire.FromOldest, Credit: protocol.Credit{Events: 1, Bytes: 1}},
		{From: 99},
		{From: wire.FromCursor, Cursor: wire.Cursor{Seq: 3}, Credit: protocol.Credit{Events: 100, Bytes: 1 << 40}},
		{CallbackAddr: "127.0.0.1:25", Ticket: make([]byte, protocol.TicketSize)},
	} {
		f.Add(append(bytes.Clone(hello), attack.Frame(1, attack.Call(protocol.MethodSubscribe, &args))...))
	}
	f.Add(append(bytes.Clone(hello), attack.Frame(1, attack.Call(protocol.MethodHistory, &protocol.HistoryArgs{Max: 2}))...))
	f.Add(append(bytes.Clone(hello), attack.Frame(1, attack.LongMethod(1000))...))

	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		attack.Bounded(t, len(data), func() {
			srv := momserver.New(momserver.Config{Token: token, MaxSubscribers: 2, CacheEvents: 5})
			id := uuid.New()
			for range 7 {
				srv.Publish(harness.Event(id, id, "", wire.Transferring))
			}
			script := attack.NewScript(data)
			served := make(chan error, 1)
			go func() { served <- srv.Serve(newOneConn(script)) }()
			select {
			case <-script.Over():
			case <-time.After(20 * time.Second):
				t.Error("the connection stays open after its end")
			}
			srv.Close()
			if err := <-served; err != momserver.ErrServerClosed {
				t.Error(err)
			}
			heard := script.Heard()
			if bytes.Contains(heard, []byte(token)) || !bytes.HasPrefix(data, hello) && bytes.HasPrefix(heard, []byte("MoM\x01\x01\x00")) {
				t.Errorf("the server said %q", heard)
			}
			st := srv.Stats()
			if st.Connections != 0 || st.Subscribers != 0 || st.Published != 7 {
				t.Errorf("left: %+v", st)
			}
			for why := range st.Drops {
				switch why {
				case momserver.ReasonConnectionLost, momserver.ReasonProtocol, momserver.ReasonUnsubscribed, momserver.ReasonShutdown:
				default:
					t.Errorf("dropped for %v", why)
				}
			}
		})
	})
}

// FuzzTokens: only the token is the token.
func FuzzTokens(f *testing.F) {
	f.Add("", "")
	f.Add("a", "a")
	f.Add("a", "a\x00")
	f.Fuzz(func(t *testing.T, want, said string) {
		if want == "" || len(want) > wire.MaxTokenBytes || len(said) > wire.MaxTokenBytes {
			return
		}
		asked := false
		srv := momserver.New(momserver.Config{Token: want, Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
			asked = true
			return momserver.Grant{}, nil
		}})
		script := attack.NewScript(append([]byte{'M', 'o', 'M', 1, 1, byte(len(said) >> 8), byte(len(said))}, said...))
		go srv.Serve(newOneConn(script))
		<-script.Over()
		srv.Close()
		if asked != (want == said) {
			t.Errorf("%q for %q: let in %v", said, want, asked)
		}
	})
}
