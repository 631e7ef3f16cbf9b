package mirror

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// errInterrupted ends a run whose context is done.
var errInterrupted error = interruption{}

// interruption counts as context.Canceled, so that the run counts as cancelled.
type interruption struct{}

func (interruption) Error() string        { return "interrupted: the mirroring was stopped" }
func (interruption) Is(target error) bool { return target == context.Canceled }

// interrupted returns errInterrupted if ctx is done.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// untilDone reads from r until ctx is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := interrupted(u.ctx); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// itemError is an error about one file or directory.
type itemError struct {
	item string
	err  error
}

func (e *itemError) Error() string { return e.item + ": " + e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

// about returns err as an error about item. An interruption is about no item.
func about(item string, err error) error {
	var e *itemError
	if err == nil || errors.Is(err, errInterrupted) || errors.As(err, &e) {
		return err
	}
	return &itemError{item, plain(err)}
}

// itemOf returns the item that err is about, or "", and the error without the
// item.
func itemOf(err error) (string, error) {
	var e *itemError
	if errors.As(err, &e) {
		return e.item, e.err
	}
	return "", err
}

// plain returns err without the path that os puts before it.
func plain(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}
