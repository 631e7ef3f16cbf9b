package wire

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
)

// codes pins the text of every code, and whether it is final.
var codes = []struct {
	code  Code
	text  string
	final bool
}{
	{BadRequest, "bad-request", true},
	{Unauthorized, "unauthorized", true},
	{VersionMismatch, "version", true},
	{NotMoM, "not-mom", true},
	{Full, "full", false},
	{Busy, "busy", false},
	{Draining, "draining", false},
	{Closed, "closed", false},
	{AlreadySubscribed, "already-subscribed", false},
	{NotSubscribed, "not-subscribed", false},
	{CallbackFailed, "callback", false},
	{Forbidden, "forbidden", true},
	{TooLarge, "too-large", false},
	{ProtocolError, "protocol", false},
	{Lost, "lost", false},
	{Timeout, "timeout", false},
	{Stalled, "stalled", false},
	{UnknownMethod, "unknown-method", true},
	{BadTransition, "transition", false},
	{RunEnded, "run-ended", false},
	{InternalError, "internal", false},
}

// failing answers each call with an error.
type failing struct{ err error }

func (f *failing) Served(_ *Nothing, _ *Nothing) error {
	return Serving(nil, func() error { return f.err })
}
func (f *failing) Bare(_ *Nothing, _ *Nothing) error { return f.err }
func (f *failing) Panic(_ *Nothing, _ *Nothing) error {
	return Serving(nil, func() error { panic(f.err) })
}

// TestErrorsCross sends each code through a call, in both directions.
func TestErrorsCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(failing)
		a, b := pair(t, f, f)
		for _, tc := range codes {
			if string(tc.code) != tc.text {
				t.Errorf("%q is %q on the wire", tc.text, tc.code)
			}
			sent := &Error{Code: tc.code, Message: "what: " + tc.text + "…", After: 1500 * time.Millisecond}
			f.err = fmt.Errorf("wrapped: %w", sent)
			for _, c := range []*Conn{a, b} {
				err := c.Call(context.Background(), "Test.Served", &Nothing{}, &Nothing{})
				var e *Error
				if !errors.As(err, &e) || *e != *sent || !errors.Is(err, tc.code) || IsFinal(err) != tc.final {
					t.Errorf("%v became %#v", sent.Code, err)
				}
				for _, other := range codes {
					if errors.Is(err, other.code) != (other.code == tc.code) {
						t.Errorf("errors.Is(%v, %v)", tc.code, other.code)
					}
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
			if !errors.Is(err, InternalError) || err.Error() != "internal error" {
				t.Errorf("%s: %#v", method, err)
			}
		}
		for _, method := range []string{"Test.Secret", "Secret.Served", "Secret", "", strings.Repeat("Secret.", 1000)} {
			err := a.Call(context.Background(), method, &Nothing{}, &Nothing{})
			if !errors.Is(err, UnknownMethod) || strings.Contains(err.Error(), "Secret") {
				t.Errorf("%s: %#v", Clip(method, 20), err)
			}
		}
		if a.Err() != nil {
			t.Errorf("the connection ended: %v", a.Err())
		}
	})
}

// TestServingTellsOfPanics, once, with the value.
func TestServingTellsOfPanics(t *testing.T) {
	var got any
	err := Serving(func(v any, stack []byte) {
		if got = v; !strings.Contains(string(stack), "TestServingTellsOfPanics") {
			t.Errorf("stack: %s", stack)
		}
	}, func() error { panic("boom") })
	if got != "boom" || err == nil {
		t.Errorf("told %v, answered %v", got, err)
	}
	if err := Serving(nil, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestFromRPC reads what strangers send.
func TestFromRPC(t *testing.T) {
	long := strings.Repeat("ä", 2000)
	for _, tc := range []struct {
		sent string
		want *Error
	}{
		{"mom:full:0:", &Error{Code: Full}},
		{"mom:full:2000:a:b", &Error{Code: Full, Message: "a:b", After: 2 * time.Second}},
		{"mom:full:2147483647:x", &Error{Code: Full, Message: "x", After: time.Hour}},
		{"mom:tomorrow:0:x", &Error{Code: "tomorrow", Message: "x"}},
		{"mom:full:2147483648:x", nil}, {"mom:full:-1:x", nil}, {"mom:full:+1:x", nil}, {"mom:full: 1:x", nil},
		{"mom:full::x", nil}, {"mom:full:1", nil}, {"mom:full", nil}, {"mom:", nil}, {"mom:::", nil}, {"mom:" + long, nil},
	} {
		err := FromRPC(rpc.ServerError(tc.sent))
		if tc.want == nil {
			if !errors.Is(err, ProtocolError) {
				t.Errorf("%q became %#v", Clip(tc.sent, 40), err)
			}
		} else if e, ok := err.(*Error); !ok || *e != *tc.want {
			t.Errorf("%q became %#v", tc.sent, err)
		}
		if len(err.Error()) > 1200 {
			t.Errorf("%q: an error of %d bytes", Clip(tc.sent, 40), len(err.Error()))
		}
	}
	for _, sent := range []string{"", "rpc: can't find method", "MOM:full:0:x", " mom:full:0:x", long, "\xff\x00\x1b[2J"} {
		if err := FromRPC(rpc.ServerError(sent)); !errors.Is(err, InternalError) || len(err.Error()) > 400 {
			t.Errorf("%q became %#v", Clip(sent, 40), err)
		}
	}
	e := FromRPC(rpc.ServerError("mom:" + long + ":5:" + long)).(*Error)
	if len(e.Code) > 40 || len(e.Message) > 600 || !utf8.ValidString(e.Message) || e.After != 5*time.Millisecond {
		t.Errorf("a long error: %d and %d bytes", len(e.Code), len(e.Message))
	}
	if FromRPC(nil) != nil || !errors.Is(FromRPC(io.EOF), Lost) || !errors.Is(FromRPC(Full), Full) {
		t.Error("nil, another error, or an Error came out otherwise")
	}
}

// TestErrorString rounds a wait up, keeps it within bounds, and is read back.
func TestErrorString(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
		-time.Second: 0, time.Hour: time.Hour, 1000 * time.Hour: time.Hour,
	} {
		e := &Error{Code: Full, Message: "m", After: after}
		if got := parseRPC(e.rpcString()); got.Code != Full || got.After != want {
			t.Errorf("%v became %#v", after, got)
		}
	}
	e := &Error{Code: Full, Message: strings.Repeat("x", 10_000)}
	once := parseRPC(e.rpcString())
	if twice := parseRPC(once.rpcString()); len(once.Message) > 600 || !strings.HasSuffix(once.Message, "…") || strings.HasSuffix(twice.Message, "……") {
		t.Errorf("a long message became %d bytes, %q", len(once.Message), once.Message[500:])
	}
	if got := (&Error{Code: Full}).Error(); got != "mom: full" {
		t.Errorf("without a message: %q", got)
	}
	if errors.Is(Full, io.EOF) || IsFinal(io.EOF) || IsFinal(nil) {
		t.Error("an error of no code is one")
	}
}

// TestErrorCause: Errorf keeps the operands of %w, and no others, as the cause;
// no cause crosses the wire.
func TestErrorCause(t *testing.T) {
	for name, tc := range map[string]struct {
		err  *Error
		text string
		is   []error
	}{
		"none": {Errorf(Lost, "gone: %v", io.EOF), "gone: EOF", nil},
		"one":  {Errorf(Lost, "gone: %w", io.EOF), "gone: EOF", []error{io.EOF}},
		"two":  {Errorf(Lost, "gone: %w, %w", io.EOF, io.ErrNoProgress), "gone: EOF, " + io.ErrNoProgress.Error(), []error{io.EOF, io.ErrNoProgress}},
	} {
		if tc.err.Error() != tc.text || !errors.Is(tc.err, Lost) {
			t.Errorf("%s: %v; want %q", name, tc.err, tc.text)
		}
		for _, is := range tc.is {
			if !errors.Is(tc.err, is) {
				t.Errorf("%s: it is no %v", name, is)
			}
		}
		if got := errors.Unwrap(tc.err); (got == nil) != (tc.is == nil) {
			t.Errorf("%s: the cause is %v", name, got)
		}
		if got := parseRPC(tc.err.rpcString()); got.Error() != tc.text || errors.Unwrap(got) != nil {
			t.Errorf("%s: the peer reads %#v", name, got)
		}
	}
	if err := FromRPC(io.ErrClosedPipe); !errors.Is(err, Lost) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an error of the connection is %#v", err)
	}
}

// TestCodeIsError: a code is an error by itself, and another error of the code
// is found by it and only by it.
func TestCodeIsError(t *testing.T) {
	var e *Error
	if err := fmt.Errorf("no entry: %w", Forbidden); !errors.As(err, &e) || e.Code != Forbidden || !errors.Is(err, Forbidden) || !IsFinal(err) {
		t.Errorf("%v became %#v", err, e)
	}
	if err := Errorf(Full, "no room"); !errors.Is(err, Full) || errors.Is(err, Busy) || errors.Is(err, Errorf(Full, "no room")) {
		t.Errorf("%v is something else", err)
	}
	if Full.Error() != "full" || errors.As(Full, new(*rpc.ServerError)) || errors.Is(Full, io.EOF) {
		t.Error("a code is another error")
	}
}

// TestErrorBounds: a code and a message of the longest length are kept whole,
// and a byte more is cut off.
func TestErrorBounds(t *testing.T) {
	for over := range 2 {
		code, message := strings.Repeat("c", maxCodeBytes+over), strings.Repeat("m", maxMessageBytes+len("…")+over)
		got := parseRPC("mom:" + code + ":0:" + message)
		if (string(got.Code) == code) != (over == 0) || (got.Message == message) != (over == 0) || len(got.Message) > maxMessageBytes+2*len("…") {
			t.Errorf("%d bytes over: %d bytes of code, %d of message", over, len(got.Code), len(got.Message))
		}
	}
	for over := range 2 {
		e := Errorf(Full, "%s", strings.Repeat("m", maxMessageBytes+over))
		if got := parseRPC(e.rpcString()); (got.Message == e.Message) != (over == 0) {
			t.Errorf("a message %d bytes over becomes one of %d", over, len(got.Message))
		}
	}
}
