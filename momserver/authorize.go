package momserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// authorize.go decides who may come in, and which jobs they may see.

// Applicant is a client about which [Config.Authorize] decides. When printed or
// logged, it leaves out its token; Go cannot do that for an Applicant, and not a
// pointer, in an unexported field of a struct that is printed.
type Applicant struct {
	Addr     string               // host:port of its connection
	Identity string               // the name in its verified certificate: its common name, or else the first DNS name, mail address or URI; "" for none
	Token    string               // from its greeting; equal to Config.Token if that is set
	TLS      *tls.ConnectionState // nil without TLS
}

// String returns the identity and the address.
func (a Applicant) String() string { return label(a.Identity, a.Addr) }

// Grant is which jobs a client may see. The zero Grant lets the client in and
// shows it nothing. A Grant holds for the life of the connection or until Expires, and for
// events, snapshots, History and Jobs alike. Events of other jobs are left out
// as a filter leaves them out: while they are in the cache, they do not count
// as missed.
type Grant struct {
	AllJobs bool        // every job, whatever the two lists hold
	Jobs    []uuid.UUID // the jobs with these IDs
	Names   []string    // the jobs with exactly these names; "" is ignored
	// Identity is how [Server.Subscribers] shows the client; "" for the name in
	// its certificate.
	Identity string
	// Expires, if not zero, is when the server ends the connection, and drops the
	// subscriber with [ReasonExpired]. The client is told a [wire.Expired] error,
	// after which AutoReconnect connects again, so that Authorize decides anew.
	Expires time.Time
}

// identity is who a client is, as its greeting has shown.
type identity struct {
	name    string
	visible *history.JobSet            // nil for all jobs
	expires time.Time                  // zero for never
	revoked atomic.Pointer[revocation] // why its access was taken away; nil if it was not
}

// visible returns the jobs that the client may see. The name "" includes no
// job, so that it does not grant all jobs without a name.
func (g *Grant) visible() *history.JobSet {
	if g.AllJobs {
		return nil
	}
	return history.NewJobSet(slices.Clone(g.Jobs), slices.DeleteFunc(slices.Clone(g.Names), func(name string) bool { return name == "" }))
}

// authorize decides about a client that has greeted. ctx ends when the time for
// the greeting is over.
func (c *clientConn) authorize(ctx context.Context, token string, state *tls.ConnectionState) (*identity, error) {
	cfg := &c.srv.cfg
	if !sameToken(token, c.srv.token()) {
		return nil, wire.Errorf(wire.Unauthorized, "the token is missing or wrong")
	}
	id := &identity{name: protocol.Identity(state)}
	if cfg.Authorize == nil {
		return id, nil
	}
	asked := Applicant{Addr: c.nc.RemoteAddr().String(), Identity: id.name, Token: token, TLS: state}
	result, err := c.srv.callConfigFunc(ctx, &c.srv.funcs.authorize, asked.Addr, func() (any, error) { return cfg.Authorize(ctx, asked) })
	grant, _ := result.(Grant)
	var e *wire.Error
	switch {
	case err == nil && ctx.Err() == nil:
	case ctx.Err() != nil:
		return nil, &wire.Error{Code: wire.Busy, After: retryAfter, Message: "the server could not decide in time whether to let you in"}
	case errors.As(err, &e):
		return nil, e
	default: // the text is for the operator only
		cfg.Logger.Info("momserver: not authorized", "applicant", asked, "error", err)
		return nil, wire.Errorf(wire.Unauthorized, "not authorized")
	}
	if !grant.Expires.IsZero() && !grant.Expires.After(time.Now()) {
		return nil, wire.Errorf(wire.Unauthorized, "what was granted has expired already")
	}
	id.visible, id.expires = grant.visible(), grant.Expires
	if grant.Identity != "" {
		id.name = grant.Identity
	}
	return id, nil
}

// sameToken compares in constant time, whatever the lengths. If no token is
// wanted, every token is right.
func sameToken(said, want string) bool {
	a, b := sha256.Sum256([]byte(said)), sha256.Sum256([]byte(want))
	return want == "" || subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
