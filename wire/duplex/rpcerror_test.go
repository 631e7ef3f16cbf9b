package duplex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"mom.internal/wire"
)

// failing answers each call with an error.
type failing struct{ err error }

func (f *failing) Served(_ *Nothing, _ *Nothing) error {
	return RunMethod(nil, func() error { return f.err })
}
func (f *failing) Bare(_ *Nothing, _ *Nothing) error { return f.err }
func (f *failing) Panic(_ *Nothing, _ *Nothing) error {
	return RunMethod(nil, func() error { panic(f.err) })
}

// TestErrorsCross sends errors through calls, in both directions.
func TestErrorsCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(failing)
		a, b := pair(t, f, f)
		for _, code := range []wire.Code{wire.Full, wire.InternalError, "tomorrow's"} {
			sent := &wire.Error{Code: code, Message: "what: " + string(code) + "…", After: 1500 * time.Millisecond}
			f.err = fmt.Errorf("wrapped: %w", sent)
			for _, c := range []*Conn{a, b} {
				err := c.Call(context.Background(), "Test.Served", &Nothing{}, &Nothing{})
				var e *wire.Error
				if !errors.As(err, &e) || *e != *sent || !errors.Is(err, code) {
					t.Errorf("%v became %#v", sent.Code, err)
				}
			}
		}
	})
}

// TestPlainErrorsStayInside: what is no Error goes out in fixed words.
func TestPlainErrorsStayInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{errors.New("secret: mom:full:0:no")}
		a, _ := pair(t, nil, f)
		for _, method := range []string{"Served", "Bare", "Panic"} {
			err := a.Call(context.Background(), "Test."+method, &Nothing{}, &Nothing{})
			if !errors.Is(err, wire.InternalError) || err.Error() != "internal error" {
				t.Errorf("%s: %#v", method, err)
			}
		}
		for _, method := range []string{"Test.Secret", "Secret.Served", "Secret", "", strings.Repeat("Secret.", 1000)} {
			err := a.Call(context.Background(), method, &Nothing{}, &Nothing{})
			if !errors.Is(err, wire.UnknownMethod) || strings.Contains(err.Error(), "Secret") {
				t.Errorf("%s: %#v", Clip(method, 20), err)
			}
		}
		if a.Err() != nil {
			t.Errorf("the connection ended: %v", a.Err())
		}
	})
}

// TestRunMethodReportsPanics, once, with the value.
func TestRunMethodReportsPanics(t *testing.T) {
	var got any
	err := RunMethod(func(v any, stack []byte) {
		if got = v; !strings.Contains(string(stack), "TestRunMethodReportsPanics") {
			t.Errorf("stack: %s", stack)
		}
	}, func() error { panic("boom") })
	if got != "boom" || err == nil {
		t.Errorf("told %v, answered %v", got, err)
	}
	if err := RunMethod(nil, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestFromRPC reads what strangers send.
func TestFromRPC(t *testing.T) {
	long := strings.Repeat("ä", 2000)
	for _, tc := range []struct {
		sent string
		want *wire.Error
	}{
		{"mom:full:0:", &wire.Error{Code: wire.Full}},
		{"mom:full:2000:a:b", &wire.Error{Code: wire.Full, Message: "a:b", After: 2 * time.Second}},
		{"mom:full:2147483647:x", &wire.Error{Code: wire.Full, Message: "x", After: time.Hour}},
		{"mom:tomorrow:0:x", &wire.Error{Code: "tomorrow", Message: "x"}},
		{"mom:full:2147483648:x", nil}, {"mom:full:-1:x", nil}, {"mom:full:+1:x", nil}, {"mom:full: 1:x", nil},
		{"mom:full::x", nil}, {"mom:full:1", nil}, {"mom:full", nil}, {"mom:", nil}, {"mom:::", nil}, {"mom:" + long, nil},
	} {
		err := FromRPC(rpc.ServerError(tc.sent))
		if tc.want == nil {
			if !errors.Is(err, wire.ProtocolError) {
				t.Errorf("%q became %#v", Clip(tc.sent, 40), err)
			}
		} else if e, ok := err.(*wire.Error); !ok || *e != *tc.want {
			t.Errorf("%q became %#v", tc.sent, err)
		}
		if len(err.Error()) > 1200 {
			t.Errorf("%q: an error of %d bytes", Clip(tc.sent, 40), len(err.Error()))
		}
	}
	for _, sent := range []string{"", "rpc: can't find method", "MOM:full:0:x", " mom:full:0:x", long, "\xff\x00\x1b[2J"} {
		if err := FromRPC(rpc.ServerError(sent)); !errors.Is(err, wire.InternalError) || len(err.Error()) > 400 {
			t.Errorf("%q became %#v", Clip(sent, 40), err)
		}
	}
	e := FromRPC(rpc.ServerError("mom:" + long + ":5:" + long)).(*wire.Error)
	if len(e.Code) > 40 || len(e.Message) > 600 || !utf8.ValidString(e.Message) || e.After != 5*time.Millisecond {
		t.Errorf("a long error: %d and %d bytes", len(e.Code), len(e.Message))
	}
	if FromRPC(nil) != nil || !errors.Is(FromRPC(io.EOF), wire.Lost) || !errors.Is(FromRPC(wire.Full), wire.Full) {
		t.Error("nil, another error, or an Error came out otherwise")
	}
}

// TestCauseStays: no cause crosses the wire, and an error of the connection is
// the cause of what FromRPC returns.
func TestCauseStays(t *testing.T) {
	if got := ParseError(FormatError(wire.Errorf(wire.Lost, "gone: %w", io.EOF))); got.Error() != "gone: EOF" || errors.Unwrap(got) != nil {
		t.Errorf("the peer reads %#v", got)
	}
	if err := FromRPC(io.ErrClosedPipe); !errors.Is(err, wire.Lost) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an error of the connection is %#v", err)
	}
}

// TestErrorString rounds a wait up, keeps it within bounds, and is read back.
func TestErrorString(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
		-time.Second: 0, time.Hour: time.Hour, 1000 * time.Hour: time.Hour,
	} {
		e := &wire.Error{Code: wire.Full, Message: "m", After: after}
		if got := ParseError(FormatError(e)); got.Code != wire.Full || got.After != want {
			t.Errorf("%v became %#v", after, got)
		}
	}
	e := &wire.Error{Code: wire.Full, Message: strings.Repeat("x", 10_000)}
	once := ParseError(FormatError(e))
	if twice := ParseError(FormatError(once)); len(once.Message) > 600 || !strings.HasSuffix(once.Message, "…") || strings.HasSuffix(twice.Message, "……") {
		t.Errorf("a long message became %d bytes, %q", len(once.Message), once.Message[500:])
	}
	if got := (&wire.Error{Code: wire.Full}).Error(); got != "mom: full" {
		t.Errorf("without a message: %q", got)
	}
	if errors.Is(wire.Full, io.EOF) || wire.IsFinal(io.EOF) || wire.IsFinal(nil) {
		t.Error("an error of no code is one")
	}
}

// TestErrorBounds: a code and a message of the longest length are kept whole,
// and a byte more is cut off.
func TestErrorBounds(t *testing.T) {
	for over := range 2 {
		code, message := strings.Repeat("c", maxCodeBytes+over), strings.Repeat("m", maxMessageBytes+len("…")+over)
		got := ParseError("mom:" + code + ":0:" + message)
		if (string(got.Code) == code) != (over == 0) || (got.Message == message) != (over == 0) || len(got.Message) > maxMessageBytes+2*len("…") {
			t.Errorf("%d bytes over: %d bytes of code, %d of message", over, len(got.Code), len(got.Message))
		}
	}
	for over := range 2 {
		e := wire.Errorf(wire.Full, "%s", strings.Repeat("m", maxMessageBytes+over))
		if got := ParseError(FormatError(e)); (got.Message == e.Message) != (over == 0) {
			t.Errorf("a message %d bytes over becomes one of %d", over, len(got.Message))
		}
	}
}

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"aäb", 2, "a…"}, // not within a letter
		{"a\xffb", 3, "a\xffb"},
		{"a\xffbc", 3, "ab…"},
	} {
		if got := Clip(tc.text, tc.n); got != tc.want {
			t.Errorf("Clip(%q, %d) = %q; want %q", tc.text, tc.n, got, tc.want)
		}
	}
}
