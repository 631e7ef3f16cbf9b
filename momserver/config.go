package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// Config sets a server's bounds and times. A field that is zero or negative
// stands for the default, which its comment states after the semicolon.
type Config struct {
	// The cache.

	CacheEvents   int // events that are kept; 10,000
	CacheBytes    int // bytes of encoded events that are kept, with the descriptions of their runs and packages; 64 MiB
	MaxEventBytes int // bytes of one encoded event, over which Publish refuses it; 64 KiB, 1 MiB at most
	MaxRuns       int // unfinished runs, over which a new one is refused unless another gives way; 10,000
	MaxJobs       int // jobs whose latest event and figures are kept for Jobs and JobStats, the longest silent one dropped first; 10,000

	// MaxRunSilence is the time without an event after which a run that
	// [Server.Publish] began may give way; 60 min. If a new run would exceed
	// MaxRuns, the longest silent of these runs gives way: the server ends it with
	// an ExportingError event. The run of a [Job] never gives way, because its
	// owner ends it.
	MaxRunSilence time.Duration

	// MaxOpenPackages bounds the packages of one run that have been started and
	// have not ended, over which StartPackage refuses another; 100,000.
	MaxOpenPackages int

	// ProgressInterval is the least time between two Transferring events of a
	// package, and between two JobInitialized events of a run; 250 ms.
	ProgressInterval time.Duration

	// Strict makes [Server.Run] and [Job.Package] return the error if the server
	// refuses the run or the package, instead of calling the function without
	// monitoring. It also makes a Shutdown end the runs of Jobs for their owners,
	// whose methods then return errors.
	Strict bool

	// Clients and their connections.

	// MaxConns bounds the connections; 12,000. If the limit of file descriptors
	// allows fewer, less a quarter and 1,024 of them at most that are left for the
	// mirroring and the rest of the program, the first Serve lowers the bound, and
	// MaxConnsPerAddr in proportion, and logs that.
	//
	// A newcomer over the bound takes the place of a connection that has not yet
	// greeted: the oldest one from the address with the most such connections. If
	// there is none, the newcomer is refused.
	MaxConns int
	// MaxConnsPerAddr bounds the connections from one IP address, or IPv6 network
	// of 64 bits; 6,000, or half of MaxConns if that is set. So one address leaves
	// half of the places to others, and a thousand clients behind one address
	// have room. Set it to MaxConns if all clients come through one proxy. A
	// newcomer over the bound takes the place of the oldest connection from its
	// address that has not yet greeted, or is refused if there is none.
	MaxConnsPerAddr int

	MaxSubscribers   int           // subscribers; 10,000, 1,048,576 at most. The share of one IP address is the same as for connections: MaxConnsPerAddr / MaxConns of them
	MaxFilterItems   int           // IDs and names of jobs in the filters of all subscribers, about 200 bytes each. A name counts as one more for each 64 of its bytes; 500,000. One IP address, or IPv6 network of 64 bits, may hold a quarter
	MaxMessage       int           // bytes of one message from a client; 64 KiB, 64 MiB at most
	HandshakeTimeout time.Duration // for the TLS handshake and the greeting together; 5 s
	MessageTimeout   time.Duration // from a message's first byte to its last; 5 s
	IdleTimeout      time.Duration // after which a connection without subscription and calls is closed; 2 min

	// Delivery.

	BatchBytes  int           // bytes of events after which one call to a subscriber is full, which the last event may exceed; 64 KiB, 1 MiB at most
	Window      int           // unanswered calls to one subscriber; 32, 4,096 at most
	WindowBytes int           // bytes of events in unanswered calls, at which no further call is made; 256 KiB, 64 MiB at most
	Heartbeat   time.Duration // longest time without a call to a subscriber; 3 s, 10 min at most, 1 ms at least
	CallTimeout time.Duration // longest time for a reply to a call, or for a write, before the subscriber is dropped; 5 s

	// MaxSnapshotEvents bounds the events of all snapshots that wait to be sent;
	// 1,000,000, which take 8 bytes each. If there are more, the server gives up
	// the snapshots of subscribers that have made no progress for CallTimeout. If
	// there are more than eight times as many, it gives up those of other
	// subscribers too, beginning with the one without progress for longest. Such a
	// subscriber gets the rest later or, if events were published since, a gap and
	// a new snapshot. The snapshot of a subscriber without progress is also given
	// up when CacheBytes of events have left the cache since it was taken.
	MaxSnapshotEvents int

	// Who may come in.

	// Token, if not empty, is what a client must send in its greeting. No
	// client can send a token of more than wire.MaxTokenBytes. It is left out when
	// the Config is printed, logged or marshalled as JSON.
	Token string
	// TLS, if not nil, is used on every connection, dial-back included. A
	// MinVersion of zero stands for TLS 1.3. To let only clients with a
	// certificate in, set ClientAuth and ClientCAs. Its functions have as long as
	// Authorize has.
	TLS *tls.Config
	// Authorize, if not nil, decides about each client whose token is right, and
	// returns which jobs it may see. An error refuses the client. The client is
	// told a [*wire.Error]; of any other error, it learns only that it is not
	// authorized, and the Logger gets the text. A panic refuses the client too.
	//
	// Authorize may be called for several clients at once. While it runs, only
	// its own client waits. It must return when ctx is done: when what is left of
	// HandshakeTimeout is over, or at Close. If it has not returned 100 ms later,
	// the client is refused, nothing waits for the call any longer, and its
	// goroutine ends when it returns. While 64 such calls have not returned,
	// Authorize is not called, and clients are refused as [wire.Busy].
	Authorize func(ctx context.Context, client Applicant) (Grant, error)
	// GreetingsPerSecond bounds the clients that are let in by a server without
	// Token, Authorize and client certificates; 2,000. Half of them may come from
	// one IP address, or IPv6 network of 64 bits. A client that has proven who it
	// is does not count.
	GreetingsPerSecond int
	// FailuresPerMinute bounds the failed connections from one IP address, or IPv6
	// network of 64 bits; 60. Over the bound the address is slowed down until the
	// minute is over: the server looks at what its connections say one every 5 ms,
	// but lets none wait for more than half a second. A client with the
	// right token or certificate is let in then. A connection fails if it ends before
	// its greeting has succeeded, unless the server refused it for lack of room.
	FailuresPerMinute int

	// Dial-back, to callback endpoints.

	// AllowCallback, if not nil, decides whether the server may dial target, the
	// resolved address of a callback endpoint. subscriber is the address of the
	// subscriber's own connection. If AllowCallback is nil, the server dials only
	// the IP address of that connection, at any port. A call that has not returned
	// at the end of DialTimeout is left behind, as one of Authorize is.
	AllowCallback func(subscriber, target netip.AddrPort) bool
	// DialsPerMinute bounds the failed dial-backs for one subscriber address, or IPv6
	// network of 64 bits; 12. A dial-back counts as failed until it has succeeded.
	DialsPerMinute int
	// DialTimeout bounds one dial-back, including the proof that the endpoint wants
	// this subscription; 3 s.
	DialTimeout time.Duration
	// DialContext, if not nil, replaces a net.Dialer for dial-back. Its addr is
	// an IP address and a port that have been permitted, never a name. It must
	// connect there and nowhere else. A call that does not return when ctx is done
	// is left behind, as one of Authorize is, and its connection is closed.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logging.

	// Logger, if not nil, gets what an operator should know. Its handler must
	// return soon, because the server waits for it.
	Logger *slog.Logger
	// LogPerSecond bounds the lines a second with the same message, because
	// strangers can cause them; 10, with bursts of ten times as many. A line says
	// how many with its message were left out before it.
	LogPerSecond int
}

// withDefaults returns c with every default in place and every bound kept.
func (c Config) withDefaults() Config {
	setDefault(&c.CacheEvents, 10_000)
	setDefault(&c.CacheBytes, 64<<20)
	setDefault(&c.MaxEventBytes, 64<<10)
	c.MaxEventBytes = min(c.MaxEventBytes, maxEventLimit)
	setDefault(&c.MaxRuns, 10_000)
	setDefault(&c.MaxJobs, 10_000)
	setDefault(&c.MaxRunSilence, time.Hour)
	setDefault(&c.MaxOpenPackages, 100_000)
	setDefault(&c.MaxConns, 12_000)
	setDefault(&c.MaxConnsPerAddr, half(c.MaxConns))
	setDefault(&c.MaxSubscribers, 10_000)
	c.MaxSubscribers = min(c.MaxSubscribers, 1<<20)
	setDefault(&c.MaxFilterItems, 500_000)
	setDefault(&c.MaxMessage, 64<<10)
	c.MaxMessage = min(c.MaxMessage, maxMessageLimit)
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.MessageTimeout, 5*time.Second)
	setDefault(&c.IdleTimeout, 2*time.Minute)
	setDefault(&c.BatchBytes, 64<<10)
	c.BatchBytes = min(c.BatchBytes, maxEventLimit)
	setDefault(&c.Window, 32)
	c.Window = min(c.Window, 4096)
	setDefault(&c.WindowBytes, 256<<10)
	c.WindowBytes = min(c.WindowBytes, 64<<20)
	setDefault(&c.MaxSnapshotEvents, 1_000_000)
	setDefault(&c.Heartbeat, 3*time.Second)
	c.Heartbeat = min(max(c.Heartbeat, time.Millisecond), protocol.MaxHeartbeat) // what the greeting can hold
	setDefault(&c.CallTimeout, 5*time.Second)
	setDefault(&c.ProgressInterval, 250*time.Millisecond)
	setDefault(&c.DialsPerMinute, 12)
	setDefault(&c.DialTimeout, 3*time.Second)
	setDefault(&c.GreetingsPerSecond, 2000)
	setDefault(&c.FailuresPerMinute, 60)
	setDefault(&c.LogPerSecond, 10)
	c.TLS = protocol.AtLeastTLS13(c.TLS)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = limitLog(c.Logger, c.LogPerSecond)
	return c
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// half returns half of a bound, rounded up.
func half(bound int) int { return bound/2 + bound%2 }

// maxMessageLimit is the largest MaxMessage. The longest call that makes sense
// is a Subscribe with a filter of wire.MaxFilterItems names of 64 KiB each. The
// number also fits the 32 bits that the greeting has for it.
const maxMessageLimit = wire.MaxFilterItems * 64 << 10

// maxEventLimit is the largest MaxEventBytes and BatchBytes, so that no message
// is over protocol.MaxServerMessage: a page holds maxPage and one event more.
const maxEventLimit = 1 << 20

// history returns the bounds of the history.
func (c *Config) history() history.Limits {
	return history.Limits{
		Events: c.CacheEvents, Bytes: c.CacheBytes, EventBytes: c.MaxEventBytes,
		Runs: c.MaxRuns, RunSilence: c.MaxRunSilence, Jobs: c.MaxJobs,
	}
}

// maxHandshake bounds the bytes that a client may send in a TLS handshake.
func (c *Config) maxHandshake() int {
	if c.TLS.ClientAuth == tls.NoClientCert && c.TLS.GetConfigForClient == nil {
		return maxHandshake
	}
	return maxHandshakeWithCertificate
}

// maxCallBytes bounds one call to a subscriber, in bytes: a full batch, the
// event that went over it, the type definitions, and net/rpc's header.
func (c *Config) maxCallBytes() int { return c.BatchBytes + c.MaxEventBytes + 16<<10 }

// callOverhead is more than a call takes besides its events and the type
// definitions, in bytes.
const callOverhead = 256

// What a client may make the server hold of its calls and their replies.
const (
	maxCalls   = 16       // outstanding calls of the client
	callRate   = 2000     // calls a second that are served, and as many at once
	maxReplies = 32 << 10 // bytes of replies that have not been sent, over which no call is served
)

// addrCallRate is how many calls a second the server serves for all clients of one
// address together. As many may come at once.
const addrCallRate = 5 * callRate

// conn returns the bounds of a client's connection. The outbox has room for all
// calls that the window admits, one reply of the largest size, and the replies
// before it.
func (c *Config) conn() duplex.ConnConfig {
	calls := c.WindowBytes + c.Window*callOverhead + c.maxCallBytes()
	return duplex.ConnConfig{
		MaxMessage:     c.MaxMessage,
		MaxWaiting:     calls + maxReplies + maxPage + c.MaxEventBytes + 16<<10,
		MaxCalls:       maxCalls,
		CallsPerSecond: callRate,
		MaxReplies:     maxReplies,
		WriteTimeout:   c.CallTimeout,
		MessageTimeout: c.MessageTimeout,
	}
}

// configFuncs are the functions of the configuration that the server calls for
// a client. Each may panic or hang, and then refuses only that client.
type configFuncs struct{ authorize, allowCallback, dialContext, tls duplex.UserFunc }

func (f *configFuncs) setNames() {
	f.authorize.Name, f.allowCallback.Name = "Config.Authorize", "Config.AllowCallback"
	f.dialContext.Name, f.tls.Name = "Config.DialContext", "a function of Config.TLS"
}

// callConfigFunc runs call, which calls f for the client at addr, and waits for
// call until shortly after the end of ctx. It logs a panic, and returns a
// [wire.InternalError] error for it. It also logs a call that is abandoned.
func (s *Server) callConfigFunc(ctx context.Context, f *duplex.UserFunc, addr string, call func() (any, error)) (any, error) {
	result, err := f.Call(ctx, call)
	var panicked *duplex.Panic
	switch {
	case errors.As(err, &panicked):
		s.cfg.Logger.Error("momserver: "+f.Name+" panicked", "addr", addr, "panic", panicked.Value, "stack", string(panicked.Stack))
		return nil, wire.Errorf(wire.InternalError, "internal error")
	case errors.Is(err, duplex.ErrAbandoned):
		s.cfg.Logger.Error("momserver: "+f.Name+" did not return in time; its goroutine is left behind", "addr", addr)
	}
	return result, err
}
