package momclient

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"mom.internal/wire"
)

func errClosed() error { return wire.Errorf(wire.Closed, "momclient: the client is closed") }

// ended returns why ctx is over: its error and its cause, in one error; nil if
// ctx is not over. A context counts as over once its deadline has passed, even
// if ctx.Err still returns nil, because a socket with the same deadline may time
// out a moment earlier.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	deadline, ok := ctx.Deadline()
	switch {
	case err == nil && ok && !time.Now().Before(deadline):
		return context.DeadlineExceeded
	case errors.Is(cause, err):
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// asError returns err as a [*wire.Error]. Any other error becomes the cause of
// a [wire.Lost] error.
func asError(err error) *wire.Error {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Errorf(wire.Lost, "%w", err)
	}
	return e
}

// withSetting returns the error with which a connection ended, or a call on it
// failed, with the name of the option that it exceeded. What it does not know
// stays as it is: the deadline of a call, for example, names its option itself.
func withSetting(err error) error {
	option := "CallTimeout" // of a write, or of a message
	switch {
	case errors.Is(err, wire.TooLarge):
		option = "MaxMessage"
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	e := *asError(err)
	e.Message += " (Options." + option + ")"
	return &e
}
