package momclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// Options sets how a client behaves. The zero value subscribes to all events
// from now on, without TLS, and does not reconnect. A bound of 0 or less stands
// for its default, which the comment gives behind the semicolon.
type Options struct {
	// From is where the first subscription begins, if Cursor is zero.
	From wire.From
	// Cursor, if not zero, is where the first subscription begins: what Cursor of
	// an earlier client returned. If the server has been started again since, the
	// subscription begins at the oldest event of the new epoch. A cursor past the
	// newest event of its epoch is refused as [wire.BadRequest].
	Cursor wire.Cursor
	// Filter selects events. The zero Filter selects all.
	Filter wire.Filter

	// AutoReconnect makes the client connect again if the connection is lost, or
	// if the first connection cannot be made, until the server refuses the client
	// for good.
	AutoReconnect bool
	// Period bounds the wait between two attempts, unless the server asks for a
	// longer one. With AutoReconnect the client also pings the server once in a
	// Period, and takes the connection for lost if no answer comes within a
	// Period; 20 s.
	Period time.Duration

	// Name is the name under which the server's operator sees this client. It has
	// at most wire.MaxNameBytes.
	Name string
	// Token is the secret by which the server lets the client in, if the server
	// asks for one. It is left out when the Options are printed, logged or
	// marshalled as JSON.
	Token string
	// TLS, if not nil, makes the client use TLS, on the callback endpoint as well.
	// If ServerName is empty, it is the host of the server's address. If
	// MinVersion is 0, it is TLS 1.3.
	TLS *tls.Config

	// CallbackAddr, if not empty, is an address of this machine, host:port. The
	// client listens on it while it subscribes, the server dials back, and events
	// come on that connection. Port 0 stands for any free port. If the host is
	// empty or unspecified, the server is told the host from which the client
	// has connected.
	CallbackAddr string

	// Queue bounds the events that wait for the handler; 4,096, 1,048,576 at
	// most.
	Queue int
	// QueueBytes bounds the bytes of encoded events that wait for the handler;
	// 16 MiB. The last event may go over it, by MaxMessage at most. While events of
	// more than 16 connections wait, a further one gets none.
	QueueBytes int
	// ResultBytes bounds the events that a call of History or Jobs returns, and
	// those of a Batch, in bytes of memory; 64 MiB. An event counts with its texts
	// and about 1 KiB, so that these are at most 65,536 events. HistorySeq and
	// JobsSeq have no such bound.
	ResultBytes int
	// MaxMessage bounds a message from the server, in bytes; 4 MiB, which is the
	// longest message that any server may send. A server with default settings
	// sends at most 144 KiB.
	MaxMessage int

	// DialTimeout bounds connecting, the TLS handshake and the greeting together;
	// 5 s.
	DialTimeout time.Duration
	// CallTimeout bounds each call to the server, each call of History and Jobs as
	// a whole, each wait of HistorySeq and JobsSeq for an event, each write, and
	// each message from its first byte to its last; 10 s.
	CallTimeout time.Duration

	// DialContext, if not nil, replaces net.Dialer.DialContext. A call that has not
	// returned 100 ms after ctx is done is left behind: nothing waits for it, and
	// when it returns, its connection is closed. While 64 such calls have not
	// returned, it is not called, and connecting fails. The same holds for the
	// functions of TLS.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen, if not nil, replaces net.Listen for CallbackAddr. The server is
	// told the port of the listener's Addr. A call that has not returned within
	// CallTimeout is left behind, as one of DialContext is.
	Listen func(network, addr string) (net.Listener, error)

	// OnPanic, if not nil, is called if a handler panics. The client then goes on
	// with the next event or status. As for the handler, nothing but the next event
	// or status waits for its return.
	OnPanic func(*PanicError)
	// Logger, if not nil, logs each connection status, and each connection that
	// was turned away from the callback endpoint. If both Logger and OnPanic are
	// nil, a handler's panic is logged to slog.Default. Of the lines of each kind,
	// 100 come at once and then one a second; a line has the number of those that
	// were left out before it. The handler of Logger must return soon, because the
	// client waits for it.
	Logger *slog.Logger
}

// withDefaults returns o with every bound of 0 or less, and every function that
// is nil, replaced by its default.
func (o Options) withDefaults() Options {
	setDefault(&o.Period, 20*time.Second)
	setDefault(&o.Queue, 4096)
	o.Queue = min(o.Queue, 1<<20)
	setDefault(&o.QueueBytes, 16<<20)
	setDefault(&o.ResultBytes, 64<<20)
	setDefault(&o.MaxMessage, protocol.MaxServerMessage)
	setDefault(&o.DialTimeout, 5*time.Second)
	setDefault(&o.CallTimeout, 10*time.Second)
	if o.DialContext == nil {
		o.DialContext = new(net.Dialer).DialContext
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	if log := o.Logger; o.OnPanic == nil {
		lines := new(logLimit)
		o.OnPanic = func(p *PanicError) {
			lines.write(cmp.Or(log, slog.Default()), slog.LevelError, p.Error(), "stack", string(p.Stack))
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.TLS = protocol.AtLeastTLS13(o.TLS)
	return o
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// callContext returns a context that also ends after CallTimeout, with a cause
// that names it.
func (o *Options) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.CallTimeout, fmt.Errorf("%w (Options.CallTimeout)", context.DeadlineExceeded))
}

// optionFuncs are the functions of the options that the client waits for.
type optionFuncs struct{ dialContext, listen, tls duplex.UserFunc }

func (f *optionFuncs) setNames() {
	f.dialContext.Name, f.listen.Name, f.tls.Name = "Options.DialContext", "Options.Listen", "a function of Options.TLS"
}

// callFunc runs call, which calls f, and waits for call until shortly after the
// end of ctx. A panic becomes an error.
func (c *Client) callFunc(ctx context.Context, f *duplex.UserFunc, call func() (any, error)) (any, error) {
	result, err := f.Call(ctx, call)
	var panicked *duplex.Panic
	if errors.As(err, &panicked) {
		c.panicLines.write(c.opts.Logger, slog.LevelError, "momclient: "+f.Name+" panicked", "panic", panicked.Value, "stack", string(panicked.Stack))
	}
	return result, err
}
