package momclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"mom.internal/wire/protocol"

	"mom.internal/wire"
)

// Options sets how a client behaves. The zero value works: it subscribes to
// all events from now, once.
type Options struct {
	// AutoReconnect makes the client connect again by itself whenever the
	// connection is lost, the first connect included, until a refusal is final.
	AutoReconnect bool
	// Period caps the wait between two attempts, but for a longer one that the
	// server asks for. With AutoReconnect the client also asks the server every
	// Period whether it is alive, and takes the connection for lost when the
	// answer takes that long; 20 s.
	Period time.Duration

	// From says where the first subscription begins, where Cursor is zero.
	From wire.From
	// Cursor, if not zero, is where the first subscription goes on: what an
	// earlier client's Cursor returned.
	Cursor wire.Cursor
	// Filter selects events; zero takes all.
	Filter wire.Filter

	// Name is how the server's operator sees this client; at most
	// wire.MaxNameBytes.
	Name string
	// Token is what the server wants to hear in the greeting, if anything.
	Token string
	// TLS, if not nil, is spoken with the server, on the callback endpoint
	// too. An empty ServerName becomes the host of the server's address, and a
	// MinVersion of zero TLS 1.3.
	TLS *tls.Config

	// CallbackAddr, if not empty, is an address of this machine, host:port, on
	// which the client listens for the server to dial back; the server then
	// calls on that connection rather than on the one that the client dialled.
	// Port 0 is any port. An empty or unspecified host is told to the server
	// as the address that the client's own connection comes from.
	CallbackAddr string

	// Queue is how many events may wait for the handler; 4,096, 1,048,576 at
	// most.
	Queue int
	// QueueBytes is how many bytes of events, as encoded, may wait for the
	// handler; 16 MiB. The last event may go over it, by MaxMessage at most.
	QueueBytes int
	// MaxMessage is the longest message taken from the server, in bytes; 4 MiB,
	// the longest that any server may send. One with default bounds sends no
	// longer ones than 144 KiB.
	MaxMessage int

	// DialTimeout bounds connecting, TLS and greeting together; 5 s.
	DialTimeout time.Duration
	// CallTimeout bounds each call to the server, and History and Jobs with all
	// their pages, so that no server can go on giving for ever; a message from
	// its first byte to its last, and each write, too; 10 s.
	CallTimeout time.Duration

	// DialContext, if not nil, replaces net.Dialer.DialContext.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen, if not nil, replaces net.Listen for CallbackAddr. The server is
	// told the port of the listener's Addr.
	Listen func(network, addr string) (net.Listener, error)

	// OnPanic, if not nil, is told of a panic in a handler.
	OnPanic func(*PanicError)
	// Logger gets what a developer should know. Nil logs nothing, but for a
	// handler's panic when OnPanic is nil as well: that goes to slog.Default,
	// because it would be lost otherwise.
	Logger *slog.Logger
}

// withDefaults returns o with every zero or negative bound replaced.
func (o Options) withDefaults() Options {
	def(&o.Period, 20*time.Second)
	def(&o.Queue, 4096)
	o.Queue = min(o.Queue, 1<<20)
	def(&o.QueueBytes, 16<<20)
	def(&o.MaxMessage, protocol.MaxServerMessage)
	def(&o.DialTimeout, 5*time.Second)
	def(&o.CallTimeout, 10*time.Second)
	if o.DialContext == nil {
		o.DialContext = new(net.Dialer).DialContext
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	o.TLS = protocol.AtLeastTLS13(o.TLS)
	return o
}

func def[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// forCalls bounds the calls that are made with ctx.
func (o *Options) forCalls(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.CallTimeout, fmt.Errorf("%w (Options.CallTimeout)", context.DeadlineExceeded))
}

func (o *Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}
