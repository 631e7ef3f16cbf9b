package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// authorize.go holds who may come in, and what they may see.

// Applicant is a client that [Config.Authorize] is asked about. Printed or
// logged it leaves out its token.
type Applicant struct {
	Addr     string               // of its connection, host:port
	Identity string               // of its verified certificate, as protocol.Identity has it; "" for none
	Token    string               // what it said in the greeting; right, where Config.Token is set
	TLS      *tls.ConnectionState // nil without TLS
}

// String names the applicant, in a line.
func (a Applicant) String() string {
	if a.Identity == "" {
		return a.Addr
	}
	return fmt.Sprintf("%q (%s)", a.Identity, a.Addr)
}

// GoString is String, because fmt would print the token otherwise.
func (a Applicant) GoString() string { return a.String() }

// LogValue is String.
func (a Applicant) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Grant is what a client may see. The zero Grant lets it in and shows it
// nothing. It holds for the life of the connection, for events, snapshots,
// History and Jobs alike; events of other jobs are left out as a filter leaves
// them out, and never count as missed while they are in the cache.
type Grant struct {
	AllJobs bool        // every job, whatever the lists say
	Jobs    []uuid.UUID // these jobs, and those of Names
	Names   []string    // jobs of these names, to the letter
	// Identity is how [Server.Subscribers] shows the client; "" for the name
	// in its certificate.
	Identity string
}

// admission is what is known of a client since its greeting.
type admission struct {
	identity string
	sees     *history.JobSet // nil for all jobs
}

// visible returns the jobs that a client may see. No grant includes the jobs
// that have no name by naming them.
func (g *Grant) visible() *history.JobSet {
	if g.AllJobs {
		return nil
	}
	return history.NewJobSet(g.Jobs, slices.DeleteFunc(slices.Clone(g.Names), func(name string) bool { return name == "" }))
}

// authorize decides about a client that has greeted. ctx ends with the time
// for the greeting.
func (p *peer) authorize(ctx context.Context, hello *protocol.Hello, state *tls.ConnectionState) (*admission, error) {
	cfg := &p.srv.cfg
	if !sameToken(hello.Token, cfg.Token) {
		return nil, wire.Errorf(wire.Unauthorized, "the token is missing or wrong")
	}
	who := &admission{identity: protocol.Identity(state)}
	if cfg.Authorize == nil {
		return who, nil
	}
	asked := Applicant{Addr: p.nc.RemoteAddr().String(), Identity: who.identity, Token: hello.Token, TLS: state}
	grant, err := p.askAuthorize(ctx, asked)
	var e *wire.Error
	switch {
	case err == nil && ctx.Err() == nil:
	case ctx.Err() != nil:
		return nil, &wire.Error{Code: wire.Busy, After: retryAfter, Message: "the server could not decide in time whether to let you in"}
	case errors.As(err, &e):
		return nil, e
	default: // its words are for the operator
		cfg.Logger.Info("momserver: not authorized", "applicant", asked, "error", err)
		return nil, wire.Errorf(wire.Unauthorized, "not authorized")
	}
	who.sees = grant.visible()
	if grant.Identity != "" {
		who.identity = grant.Identity
	}
	return who, nil
}

// askAuthorize calls Config.Authorize. Its panic lets nobody in.
func (p *peer) askAuthorize(ctx context.Context, asked Applicant) (grant Grant, err error) {
	err = p.srv.guard("Config.Authorize", asked.Addr, func() (err error) {
		grant, err = p.srv.cfg.Authorize(ctx, asked)
		return err
	})
	return grant, err
}

// guard runs f, which calls a function of the configuration; what names that
// function. A panic in f does not end the process: guard logs it and returns a
// [wire.InternalError], with which the client at addr is refused.
func (s *Server) guard(what, addr string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Logger.Error("momserver: "+what+" panicked", "addr", addr, "panic", v, "stack", string(debug.Stack()))
			err = wire.Errorf(wire.InternalError, "internal error")
		}
	}()
	return f()
}

// handshake does the server's side of a TLS handshake.
func (s *Server) handshake(ctx context.Context, tc *tls.Conn) error {
	return s.guard("a function of Config.TLS", tc.RemoteAddr().String(), func() error { return tc.HandshakeContext(ctx) })
}
