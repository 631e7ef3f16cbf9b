package duplex

import (
	"errors"
	"fmt"
	"net/rpc"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"mom.internal/wire"
)

// rpcerror.go carries errors through net/rpc, which carries only strings.

// ProtocolError turns the error of package gob for what the peer sent into a
// [wire.ProtocolError]. It returns nil for nil.
func ProtocolError(err error) error {
	if err == nil {
		return nil
	}
	return wire.Errorf(wire.ProtocolError, "%w", err)
}

// Clip returns text cut to at most n bytes and a mark that says so. The peer may
// send text of any length; no error or log line grows with it.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// rpcMark begins the string that stands for a [*wire.Error].
const rpcMark = "mom:"

// The bounds of an error on the wire. ParseError cuts what is longer.
const (
	maxCodeBytes    = 32
	maxMessageBytes = 512
	maxAfter        = time.Hour
)

// FormatError returns e as net/rpc carries it: "mom:code:milliseconds:message".
// After is rounded up, because it is the least time to wait.
func FormatError(e *wire.Error) string {
	after := min(max(e.After, 0), maxAfter) + time.Millisecond - 1
	return fmt.Sprintf("%s%s:%d:%s", rpcMark, e.Code, after.Milliseconds(), Clip(e.Message, maxMessageBytes))
}

// toRPC returns err as net/rpc carries it. An err that is no [*wire.Error] becomes
// an internal error with fixed words, so that no detail reaches strangers.
func toRPC(err error) string {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Errorf(wire.InternalError, "internal error")
	}
	return FormatError(e)
}

// FromRPC returns the [*wire.Error] for the error of a call: the error that the
// peer sent, or a [wire.Lost] error if the connection failed. It returns nil for
// nil.
func FromRPC(err error) error {
	var e *wire.Error
	var sent rpc.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case !errors.As(err, &sent):
		return wire.Errorf(wire.Lost, "connection lost: %w", err)
	}
	return ParseError(string(sent))
}

// ParseError parses what FormatError returns. Any other text becomes an error too,
// because the peer may send anything.
func ParseError(sent string) *wire.Error {
	text, ok := strings.CutPrefix(sent, rpcMark)
	if !ok {
		return wire.Errorf(wire.InternalError, "the peer answered: %s", Clip(sent, 256))
	}
	code, text, ok1 := strings.Cut(text, ":")
	millis, message, ok2 := strings.Cut(text, ":")
	after, err := strconv.ParseUint(millis, 10, 31)
	if !ok1 || !ok2 || err != nil {
		return wire.Errorf(wire.ProtocolError, "the peer sent a malformed error: %s", Clip(strconv.Quote(Clip(sent, 256)), 256))
	}
	return &wire.Error{
		Code:    wire.Code(Clip(code, maxCodeBytes)),
		Message: Clip(message, maxMessageBytes+len("…")),
		After:   min(time.Duration(after)*time.Millisecond, maxAfter),
	}
}

// RunMethod runs the body of a served method. It returns its error in the form that
// keeps the code through net/rpc. If body panics, RunMethod calls onPanic, which
// may be nil, and returns "internal error", so that a defect in one call does not
// end the process.
func RunMethod(onPanic func(value any, stack []byte), body func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if onPanic != nil {
				onPanic(v, debug.Stack())
			}
			err = errors.New(toRPC(nil))
		}
	}()
	if err := body(); err != nil {
		return errors.New(toRPC(err))
	}
	return nil
}
