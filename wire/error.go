package wire

import (
	"errors"
	"fmt"
	"net/rpc"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Code is the kind of an [Error], as it crosses the wire. A Code is an error
// itself, so that errors.Is(err, wire.Full) holds for every Error of that kind.
// Codes are append-only.
type Code string

// The codes. Whether one is final, so that trying again is pointless, is
// [Error.Final].
const (
	BadRequest        Code = "bad-request"        // the call's arguments are not acceptable
	Unauthorized      Code = "unauthorized"       // the token is missing or wrong
	VersionMismatch   Code = "version"            // no common protocol version
	NotMoM            Code = "not-mom"            // the peer speaks another protocol
	TLSMismatch       Code = "tls"                // one side speaks TLS and the other does not
	BadCertificate    Code = "certificate"        // one side does not accept the other's certificate
	Full              Code = "full"               // a bound of the server is reached; later there may be room
	Busy              Code = "busy"               // too many attempts; wait
	Draining          Code = "draining"           // the server is shutting down
	Closed            Code = "closed"             // this end was closed by its owner, or its owner cancelled the call
	AlreadySubscribed Code = "already-subscribed" // one subscription a connection
	NotSubscribed     Code = "not-subscribed"     // the call needs a subscription
	CallbackFailed    Code = "callback"           // the callback endpoint could not be reached
	Forbidden         Code = "forbidden"          // not allowed to this client
	TooLarge          Code = "too-large"          // a message or an event over its bound
	ProtocolError     Code = "protocol"           // the peer broke the protocol
	Lost              Code = "lost"               // the connection ended
	Timeout           Code = "timeout"            // no answer in time
	Stalled           Code = "stalled"            // a message began and did not end in time
	UnknownMethod     Code = "unknown-method"     // the peer has no such call
	BadTransition     Code = "transition"         // the state machine has no such exit
	RunEnded          Code = "run-ended"          // the run has ended already
	InternalError     Code = "internal"           // a defect at the peer; its log says more
)

// Error returns the code as it crosses the wire.
func (c Code) Error() string { return string(c) }

// As makes errors.As find an [*Error] of the code, so that a function may
// return a Code where the words do not matter.
func (c Code) As(target any) bool {
	e, ok := target.(**Error)
	if ok {
		*e = &Error{Code: c}
	}
	return ok
}

// Error is an error that keeps its kind across the wire. Its cause, which
// [Error.Unwrap] returns, stays on the side where it arose.
type Error struct {
	Code    Code
	Message string        // what happened, to what, and what to do
	After   time.Duration // wait at least this long before trying again; 0 if not said

	cause error // of a context, the network or TLS; nil if there is none
}

// Errorf returns an Error of the code. An operand of %w is the cause of the
// error, as in [fmt.Errorf].
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Message: err.Error()}
	switch wraps := err.(type) {
	case interface{ Unwrap() error }:
		e.cause = wraps.Unwrap()
	case interface{ Unwrap() []error }:
		e.cause = err
	}
	return e
}

// WithCause returns a copy of e that has the cause.
func (e *Error) WithCause(cause error) *Error {
	caused := *e
	caused.cause = cause
	return &caused
}

// Error returns the message, or the code where there is none.
func (e *Error) Error() string {
	if e.Message == "" {
		return "mom: " + string(e.Code)
	}
	return e.Message
}

// Unwrap returns the cause: the error of a context, of the network or of TLS
// that e puts into words. It is nil if there is none, and for an error that
// came from the peer.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the Code of e.
func (e *Error) Is(target error) bool { return target == e.Code }

// Final reports whether trying again without a change on either side is
// pointless.
func (e *Error) Final() bool {
	switch e.Code {
	case Unauthorized, VersionMismatch, NotMoM, TLSMismatch, BadRequest, Forbidden, UnknownMethod:
		return true
	}
	return false
}

// IsFinal reports whether err is an [*Error] that is final.
func IsFinal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Final()
}

// rpcMark begins the string that carries an Error through net/rpc.
const rpcMark = "mom:"

// The bounds of an error on the wire; what is longer is cut by the reader.
const (
	maxCodeBytes    = 32
	maxMessageBytes = 512
	maxAfter        = time.Hour
)

// rpcString returns e as net/rpc carries it: "mom:code:milliseconds:message".
// The wait is rounded up, because it is "at least".
func (e *Error) rpcString() string {
	after := min(max(e.After, 0), maxAfter) + time.Millisecond - 1
	return fmt.Sprintf("%s%s:%d:%s", rpcMark, e.Code, after.Milliseconds(), Clip(e.Message, maxMessageBytes))
}

// toRPC returns the string in which err goes out. What is no [*Error] goes out
// as an internal error with fixed words, so that no detail leaks to strangers.
func toRPC(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(InternalError, "internal error")
	}
	return e.rpcString()
}

// FromRPC returns the [*Error] that a failed call carries: what the peer sent,
// or for an error of the connection itself a [Lost] error that says so. It
// returns nil for nil.
func FromRPC(err error) error {
	var e *Error
	var sent rpc.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case !errors.As(err, &sent):
		return Errorf(Lost, "connection lost: %w", err)
	}
	return parseRPC(string(sent))
}

// parseRPC reads what rpcString wrote. Anything else becomes an error too: the
// peer is a stranger.
func parseRPC(sent string) *Error {
	text, ok := strings.CutPrefix(sent, rpcMark)
	if !ok {
		return Errorf(InternalError, "the peer answered: %s", Clip(sent, 256))
	}
	code, text, ok1 := strings.Cut(text, ":")
	millis, message, ok2 := strings.Cut(text, ":")
	after, err := strconv.ParseUint(millis, 10, 31)
	if !ok1 || !ok2 || err != nil {
		return Errorf(ProtocolError, "the peer sent a malformed error: %s", Clip(strconv.Quote(Clip(sent, 256)), 256))
	}
	return &Error{
		Code:    Code(Clip(code, maxCodeBytes)),
		Message: Clip(message, maxMessageBytes+len("…")),
		After:   min(time.Duration(after)*time.Millisecond, maxAfter),
	}
}

// isRPCString reports whether a served method's error is one of ours.
func isRPCString(text string) bool { return strings.HasPrefix(text, rpcMark) }

// served is an error as a served method returns it to net/rpc.
type served string

func (s served) Error() string { return string(s) }

// Serving runs the body of a served method, and returns its error in the form
// that keeps its code through net/rpc. A panic is reported to onPanic, which
// may be nil, and answered "internal error": one call's defect does not end the process.
func Serving(onPanic func(value any, stack []byte), body func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if onPanic != nil {
				onPanic(v, debug.Stack())
			}
			err = served(Errorf(InternalError, "internal error").rpcString())
		}
	}()
	if err := body(); err != nil {
		return served(toRPC(err))
	}
	return nil
}
