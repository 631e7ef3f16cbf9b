package duplex

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// TestUserFunc returns what the function returns, and its panic or its exit as
// an error, also if it returns just after the end of its context.
func TestUserFunc(t *testing.T) {
	failed := errors.New("failed")
	for _, tc := range []struct {
		name string
		call func(context.Context) (any, error)
		want any
		is   error
		text string
	}{
		{"value", func(context.Context) (any, error) { return 7, nil }, 7, nil, ""},
		{"error", func(context.Context) (any, error) { return nil, failed }, nil, failed, ""},
		{"panic", func(context.Context) (any, error) { panic("ouch") }, nil, nil, "Config.F panicked: ouch"},
		{"exit", func(context.Context) (any, error) { runtime.Goexit(); return 7, nil }, nil, nil, "Config.F panicked: runtime.Goexit"},
		{"heeds", func(ctx context.Context) (any, error) {
			<-ctx.Done()
			time.Sleep(abandonDelay - 1)
			return 8, ctx.Err()
		}, 8, context.DeadlineExceeded, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			f := UserFunc{Name: "Config.F"}
			got, err := f.Call(ctx, func() (any, error) { return tc.call(ctx) })
			if got != tc.want || (err == nil) != (tc.is == nil && tc.text == "") || tc.is != nil && !errors.Is(err, tc.is) || err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: %v, %v", tc.name, got, err)
			}
			if n := f.abandoned.Load(); n != 0 {
				t.Errorf("%s: %d abandoned", tc.name, n)
			}
		})
	}
}

// TestUserFuncAbandoned waits for no call that ignores its context, closes what
// it returns too late, and makes no call while too many have not returned.
func TestUserFuncAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := UserFunc{Name: "Config.F"}
		release := make(chan struct{})
		closed := 0
		hang := func() (any, error) { <-release; return closer(func() { closed++ }), nil }
		call := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := f.Call(ctx, hang)
			if took := time.Since(start); errors.Is(err, ErrAbandoned) != (took == time.Second+abandonDelay) {
				t.Errorf("%v after %v", err, took)
			}
			return err
		}
		for range maxAbandoned {
			if err := call(); !errors.Is(err, ErrAbandoned) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		if err := call(); !errors.Is(err, wire.Busy) || !strings.Contains(err.Error(), "Config.F") {
			t.Errorf("one more: %v", err)
		}
		if closed != 0 {
			t.Errorf("%d closed early", closed)
		}
		for range maxAbandoned {
			release <- struct{}{}
			synctest.Wait()
		}
		if n := f.abandoned.Load(); n != 0 || closed != maxAbandoned {
			t.Errorf("%d are still abandoned, %d were closed", n, closed)
		}
		close(release)
		if err := call(); err != nil || closed != maxAbandoned {
			t.Errorf("afterwards: %v, %d closed", err, closed)
		}
	})
}

type closer func()

func (c closer) Close() error { c(); return nil }
