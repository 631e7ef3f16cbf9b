package wire

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"testing"
)

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
	{Disconnected, "disconnected", false},
	{Expired, "expired", false},
	{UnknownMethod, "unknown-method", true},
	{BadTransition, "transition", false},
	{RunEnded, "run-ended", false},
	{InternalError, "internal", false},
}

// TestCodes pins the text of every code, and whether its errors are final.
func TestCodes(t *testing.T) {
	for _, tc := range codes {
		err := Errorf(tc.code, "no")
		if string(tc.code) != tc.text || IsFinal(err) != tc.final || IsFinal(tc.code) != tc.final {
			t.Errorf("%q is %q, final %v", tc.text, tc.code, IsFinal(err))
		}
		for _, other := range codes {
			if errors.Is(err, other.code) != (other.code == tc.code) {
				t.Errorf("errors.Is(%v, %v)", tc.code, other.code)
			}
		}
	}
}

// TestErrorCause: Errorf keeps the operands of %w, and no others, as the cause.
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
	}
}

// TestCodeIsError: a code is an error by itself, and another error of the code
// is found by it and only by it.
func TestCodeIsError(t *testing.T) {
	var e *Error
	if err := fmt.Errorf("no entry: %w", Forbidden); !errors.As(err, &e) || e.Code != Forbidden || !errors.Is(err, Forbidden) || !IsFinal(err) {
		t.Errorf("%v became %#v", err, e)
	}
	if err := Errorf(Lost, "gone").WithCause(io.EOF); err.Error() != "gone" || !errors.Is(err, Lost) || !errors.Is(err, io.EOF) {
		t.Errorf("%#v has lost its cause", err)
	}
	if err := Errorf(Full, "no room"); !errors.Is(err, Full) || errors.Is(err, Busy) || errors.Is(err, Errorf(Full, "no room")) {
		t.Errorf("%v is something else", err)
	}
	if Full.Error() != "full" || errors.As(Full, new(*rpc.ServerError)) || errors.Is(Full, io.EOF) {
		t.Error("a code is another error")
	}
}
