package wire

import (
	"errors"
	"fmt"
	"time"
)

// Code is the kind of an [Error], as it crosses the wire. A Code is an error
// itself, and errors.Is(err, wire.Full) holds for every Error with that code. Codes
// are append-only.
type Code string

// The codes. [Error.Final] reports whether trying again is pointless.
const (
	BadRequest        Code = "bad-request"        // the arguments of the call are not acceptable
	Unauthorized      Code = "unauthorized"       // the token is missing or wrong
	VersionMismatch   Code = "version"            // the two sides have no protocol version in common
	NotMoM            Code = "not-mom"            // the peer speaks another protocol
	TLSMismatch       Code = "tls"                // only one side speaks TLS
	BadCertificate    Code = "certificate"        // one side does not accept the other's certificate
	Full              Code = "full"               // a bound of the server is reached; there may be room later
	Busy              Code = "busy"               // too many attempts; wait before the next
	Draining          Code = "draining"           // the server is shutting down
	Closed            Code = "closed"             // the owner of this end closed it, or cancelled the call
	AlreadySubscribed Code = "already-subscribed" // a connection has one subscription
	NotSubscribed     Code = "not-subscribed"     // the call needs a subscription
	CallbackFailed    Code = "callback"           // the callback endpoint could not be reached
	Forbidden         Code = "forbidden"          // this client may not do that
	TooLarge          Code = "too-large"          // a message or an event exceeds its bound
	ProtocolError     Code = "protocol"           // the peer broke the protocol
	Lost              Code = "lost"               // the connection ended or could not be made, or the events that were asked for have left the cache
	Timeout           Code = "timeout"            // there was no answer in time
	Disconnected      Code = "disconnected"       // the owner of the server ended the connection of this client
	Expired           Code = "expired"            // what the server granted this client has expired; connect again
	Stalled           Code = "stalled"            // a message began and did not end in time
	UnknownMethod     Code = "unknown-method"     // the peer has no such method
	BadTransition     Code = "transition"         // the state may not follow the one before it
	RunEnded          Code = "run-ended"          // the run has ended already
	InternalError     Code = "internal"           // a defect of the peer, whose log says more
)

// Error returns the code as it crosses the wire.
func (c Code) Error() string { return string(c) }

// As makes errors.As find an [*Error] with the code, so that a function may return
// a Code if the words do not matter.
func (c Code) As(target any) bool {
	e, ok := target.(**Error)
	if ok {
		*e = &Error{Code: c}
	}
	return ok
}

// Error is an error that keeps its code across the wire. Its cause does not cross
// the wire.
type Error struct {
	Code    Code
	Message string        // what happened, to what, and what to do next
	After   time.Duration // wait at least this long before trying again; 0 if unknown

	cause error // nil if there is none
}

// Errorf returns an Error with the code. As in [fmt.Errorf], an operand of %w
// becomes its cause.
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

// WithCause returns a copy of e with the cause.
func (e *Error) WithCause(cause error) *Error {
	caused := *e
	caused.cause = cause
	return &caused
}

// Error returns the message, or the code if there is no message.
func (e *Error) Error() string {
	if e.Message == "" {
		return "mom: " + string(e.Code)
	}
	return e.Message
}

// Unwrap returns the cause, such as the error of a context, of the network or of
// TLS. It returns nil if there is none, as in an error that the peer sent.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the code of e.
func (e *Error) Is(target error) bool { return target == e.Code }

// Final reports whether trying again is pointless until something changes on
// either side.
func (e *Error) Final() bool {
	switch e.Code {
	case Unauthorized, VersionMismatch, NotMoM, TLSMismatch, BadRequest, Forbidden, UnknownMethod:
		return true
	}
	return false
}

// IsFinal reports whether err is or wraps an [*Error] that is final.
func IsFinal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Final()
}
