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

// ended returns why ctx has ended: its error and its cause, in one error; nil if
// it has not ended. A context counts as ended once its deadline has passed, even
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

// nameOption adds the name of the option that was exceeded to the error with
// which a connection ended, or with which a call on it failed. Other errors stay
// as they are. Among them is that of a call's deadline, which has the name.
func nameOption(err error) error {
	switch {
	case errors.Is(err, wire.TooLarge):
		return withOption(asError(err), "MaxMessage")
	case errors.Is(err, os.ErrDeadlineExceeded): // of a write, or of a message
		return withOption(asError(err), "CallTimeout")
	}
	return err
}

func withOption(e *wire.Error, option string) *wire.Error {
	named := *e
	named.Message += " (Options." + option + ")"
	return &named
}
