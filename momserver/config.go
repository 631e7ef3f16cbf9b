package momserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
)

// Config sets a server's bounds and times. Every zero value stands for the
// default that its comment names; negative values do too.
type Config struct {
	// The cache.

	CacheEvents   int // events kept; 10,000
	CacheBytes    int // bytes of encoded events kept; 64 MiB
	MaxEventBytes int // bytes of one encoded event, over which Publish refuses it; 64 KiB, 1 MiB at most
	MaxRuns       int // unfinished runs, over which a new one is refused unless another gives way; 10,000
	MaxJobs       int // jobs whose latest event is kept for Jobs, the longest silent dropped first; 10,000

	// MaxRunSilence is how long a run that [Server.Publish] began may go without
	// an event before it gives way to a new run over MaxRuns, the longest silent
	// run first; 60 min. The server ends a run that gives way with an
	// ExportingError event. The run of a [Job] never gives way, because its owner
	// ends it.
	MaxRunSilence time.Duration

	// MaxOpenPackages bounds the packages of one run that have been started and
	// have not ended, over which StartPackage refuses another; 100,000.
	MaxOpenPackages int

	// Subscribers and their connections.

	MaxConns         int           // connections; 12,000
	MaxConnsPerAddr  int           // connections from one IP address, or IPv6 network of 64 bits; as MaxConns
	MaxSubscribers   int           // subscribers; 10,000, 1,048,576 at most
	MaxMessage       int           // bytes of one message from a client; 64 KiB, 64 MiB at most
	HandshakeTimeout time.Duration // TLS and greeting, together; 5 s
	MessageTimeout   time.Duration // from a message's first byte to its last; 5 s
	IdleTimeout      time.Duration // a connection without subscription and calls is closed; 2 min

	// Delivery.

	BatchBytes  int           // a batch takes no further event over this; 64 KiB, 1 MiB at most
	Window      int           // unanswered calls to one subscriber; 32, 4,096 at most
	WindowBytes int           // bytes of events in them, from which on no further call is made; 256 KiB, 64 MiB at most
	Heartbeat   time.Duration // an idle subscriber is called this often, every 10 min at least, every ms at most; 3 s
	CallTimeout time.Duration // an unanswered call, or a write that takes so long, drops its subscriber; 5 s

	// MaxSnapshotEvents bounds the events of snapshots that wait to be sent, of
	// all subscribers together; 1,000,000. They take 8 bytes each. Over it the
	// subscriber that has waited longest gives up the rest of its snapshot. It
	// gets that later, or else a gap and a new snapshot. A snapshot is given up,
	// too, when CacheBytes of events have left the cache since it was taken.
	MaxSnapshotEvents int

	// ProgressInterval is the least time between two Transferring events of a
	// package; 250 ms. The last one is always published.
	ProgressInterval time.Duration

	// Admission.

	// Token, if not empty, is what a client must say in its greeting; at most
	// wire.MaxTokenBytes, because no client can say more.
	Token string
	// TLS, if not nil, is spoken on every connection, dial-back included. A
	// MinVersion of zero stands for TLS 1.3.
	TLS *tls.Config
	// Authorize, if not nil, decides about each client that has greeted, after
	// Token, and says what it may see. An error refuses the client: a
	// [*wire.Error] is told to it, of others the client learns only that it is
	// not authorized. It may be called for several clients at once; one that
	// takes its time keeps only its own client waiting. It must return when
	// ctx is done, which is after what is left of HandshakeTimeout, or at Close.
	Authorize func(ctx context.Context, client Applicant) (Grant, error)
	// GreetingsPerSecond bounds the clients that may begin to greet; 2,000.
	GreetingsPerSecond int
	// FailuresPerMinute bounds the failed greetings of one IP address, or IPv6
	// network of 64 bits, over which it is refused until the minute is over;
	// 60. Failed is a wrong token, a refusal by Authorize as unauthorized or
	// forbidden, a certificate that is not accepted, another protocol or
	// version, and silence.
	FailuresPerMinute int
	// AllowCallback permits dial-back to a resolved address, asked at dial
	// time. Nil permits only the address that the subscriber's own connection
	// comes from, at any port.
	AllowCallback func(subscriber, target netip.AddrPort) bool
	// DialsPerMinute bounds the dial-backs for one subscriber address, or IPv6
	// network of 64 bits; 12.
	DialsPerMinute int
	// DialTimeout bounds one dial-back, its proof included; 3 s.
	DialTimeout time.Duration
	// DialContext, if not nil, makes the connections of dial-back, in place of
	// a net.Dialer. It is given an IP address and a port, never a name: what
	// has been resolved and permitted, and it connects there and nowhere else.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logger gets what an operator should know. Nil logs nothing.
	Logger *slog.Logger
	// LogPerSecond bounds the lines of each message, because strangers can
	// cause them; 10, and ten times as many at once. A line says how many were
	// left out before it.
	LogPerSecond int
}

// withDefaults returns c with every zero or negative value replaced.
func (c Config) withDefaults() Config {
	def(&c.CacheEvents, 10_000)
	def(&c.CacheBytes, 64<<20)
	def(&c.MaxEventBytes, 64<<10)
	c.MaxEventBytes = min(c.MaxEventBytes, maxPiece)
	def(&c.MaxRuns, 10_000)
	def(&c.MaxJobs, 10_000)
	def(&c.MaxRunSilence, time.Hour)
	def(&c.MaxOpenPackages, 100_000)
	def(&c.MaxConns, 12_000)
	def(&c.MaxConnsPerAddr, c.MaxConns)
	def(&c.MaxSubscribers, 10_000)
	c.MaxSubscribers = min(c.MaxSubscribers, 1<<20)
	def(&c.MaxMessage, 64<<10)
	c.MaxMessage = min(c.MaxMessage, largestMessage)
	def(&c.HandshakeTimeout, 5*time.Second)
	def(&c.MessageTimeout, 5*time.Second)
	def(&c.IdleTimeout, 2*time.Minute)
	def(&c.BatchBytes, 64<<10)
	c.BatchBytes = min(c.BatchBytes, maxPiece)
	def(&c.Window, 32)
	c.Window = min(c.Window, 4096)
	def(&c.WindowBytes, 256<<10)
	c.WindowBytes = min(c.WindowBytes, 64<<20)
	def(&c.MaxSnapshotEvents, 1_000_000)
	def(&c.Heartbeat, 3*time.Second)
	c.Heartbeat = min(max(c.Heartbeat, time.Millisecond), protocol.MaxHeartbeat) // what the greeting can say
	def(&c.CallTimeout, 5*time.Second)
	def(&c.ProgressInterval, 250*time.Millisecond)
	def(&c.DialsPerMinute, 12)
	def(&c.DialTimeout, 3*time.Second)
	def(&c.GreetingsPerSecond, 2000)
	def(&c.FailuresPerMinute, 60)
	def(&c.LogPerSecond, 10)
	c.TLS = protocol.AtLeastTLS13(c.TLS)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = limitLog(c.Logger, c.LogPerSecond)
	return c
}

func def[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// largestMessage bounds MaxMessage. The longest call that makes sense is a
// Subscribe with a filter of wire.MaxFilterItems names, of 64 KiB each. The
// number also fits the greeting, which has 32 bits for it.
const largestMessage = wire.MaxFilterItems * 64 << 10

// maxPiece bounds an event and a batch, so that no message is over
// protocol.MaxServerMessage: a page holds maxPage and an event more.
const maxPiece = 1 << 20

// history returns the bounds of the history.
func (c *Config) history() history.Limits {
	return history.Limits{
		Events: c.CacheEvents, Bytes: c.CacheBytes, EventBytes: c.MaxEventBytes,
		Runs: c.MaxRuns, RunSilence: c.MaxRunSilence, Jobs: c.MaxJobs,
	}
}

// largestCall bounds the bytes of one call to a subscriber: a full batch and
// the event that went over it, the type definitions, and net/rpc's head.
func (c *Config) largestCall() int { return c.BatchBytes + c.MaxEventBytes + 16<<10 }

// callHead is more than a call takes beside its events, type definitions apart.
const callHead = 256

// What a client may make the server hold of its calls and their replies.
const (
	maxCalls   = 16       // calls that it may leave unanswered
	maxReplies = 32 << 10 // bytes of replies that have not left, over which no call is served
)

// conn returns the bounds of a client's connection. What the window admits
// fits the outbox, beside a reply of the largest size and those before it.
func (c *Config) conn() duplex.ConnConfig {
	calls := c.WindowBytes + c.Window*callHead + c.largestCall()
	return duplex.ConnConfig{
		MaxMessage:     c.MaxMessage,
		MaxWaiting:     calls + maxReplies + maxPage + c.MaxEventBytes + 16<<10,
		MaxCalls:       maxCalls,
		MaxReplies:     maxReplies,
		WriteTimeout:   c.CallTimeout,
		MessageTimeout: c.MessageTimeout,
	}
}
