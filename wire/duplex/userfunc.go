package duplex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"mom.internal/wire"
)

// userfunc.go calls functions of the embedding program, which may panic or
// hang. No goroutine can be stopped from outside. So each call has a goroutine
// of its own, and a call that does not return in time is abandoned: nothing
// waits for it, and its result is discarded.

// maxAbandoned bounds the abandoned calls of one function that have not
// returned. Over it, the function is not called.
const maxAbandoned = 64

// abandonDelay is how long after the end of its context a call may return, so
// that a function that heeds its context is not abandoned.
const abandonDelay = 100 * time.Millisecond

// ErrAbandoned is the error of a call that did not return in time.
var ErrAbandoned = errors.New("the function did not return in time")

// Panic is the error of a call that panicked.
type Panic struct {
	Name  string // of the function
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%s panicked: %v", p.Name, p.Value) }

// UserFunc is a function of the embedding program.
type UserFunc struct {
	Name      string // in errors
	abandoned atomic.Int32
}

// What happens to a call first.
const (
	returned int32 = iota + 1
	abandoned
)

// outcome is what a call returns.
type outcome struct {
	value any
	err   error
}

// Call returns what call returns, which calls the function. If call panics, the
// error is a [*Panic]. If call does not return shortly after the end of ctx, Call
// returns an error that wraps [ErrAbandoned] and the cause of ctx; when call
// returns later, its value is closed if it is an [io.Closer]. If maxAbandoned
// calls have been abandoned and have not returned, the error is a [wire.Busy]
// error at once.
func (f *UserFunc) Call(ctx context.Context, call func() (any, error)) (any, error) {
	if f.abandoned.Load() >= maxAbandoned {
		return nil, &wire.Error{Code: wire.Busy, After: time.Second, Message: fmt.Sprintf("too many calls of %s have not returned", f.Name)}
	}
	var first atomic.Int32
	done := make(chan outcome, 1)
	go func() {
		out := outcome{err: &Panic{Name: f.Name, Value: "runtime.Goexit"}} // unless call returns or panics
		defer func() {
			if v := recover(); v != nil {
				out.err = &Panic{f.Name, v, debug.Stack()}
			}
			if first.CompareAndSwap(0, returned) {
				done <- out
				return
			}
			f.abandoned.Add(-1)
			if c, ok := out.value.(io.Closer); ok && out.err == nil {
				c.Close()
			}
		}()
		out.value, out.err = call()
	}()
	select {
	case out := <-done:
		return out.value, out.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(abandonDelay)
	defer grace.Stop()
	select {
	case out := <-done:
		return out.value, out.err
	case <-grace.C:
	}
	f.abandoned.Add(1)
	if !first.CompareAndSwap(0, abandoned) {
		f.abandoned.Add(-1)
		out := <-done
		return out.value, out.err
	}
	return nil, fmt.Errorf("%s: %w: %w", f.Name, ErrAbandoned, context.Cause(ctx))
}
