package wire

import (
	"errors"
	"fmt"
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
