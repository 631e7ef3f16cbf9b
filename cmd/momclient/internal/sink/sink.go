// Package sink delivers one message to one receiver: by an HTTP POST, or to a
// command. Package notify decides when, and tries again.
package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/wire"
)

// Sink is a receiver.
type Sink struct {
	// Key names the receiver over restarts. It does not reveal the URL.
	Key string
	// Label is the name for people. For a URL it has only the scheme and the host,
	// because the rest may be a secret.
	Label string
	// Takes reports whether the receiver gets the alert.
	Takes func(*alert.Alert) bool
	// Replaces reports whether old need not be delivered any more if next is. It is
	// nil if each message has to be delivered.
	Replaces func(next, old *alert.Alert) bool
	// Pace is the least time between two messages, so that a job that runs all the time
	// does not flood the receiver. It is 0 if the messages are folded.
	Pace time.Duration
	// Deliver returns nil once the receiver has taken the message. The error may be
	// a *Later or a *Refusal.
	Deliver func(context.Context, *alert.Alert) error
}

// pingPace is the Pace of the format ping.
const pingPace = time.Second

// Later is the error if a receiver asks for a pause before the next attempt.
type Later struct {
	After time.Duration
	Err   error
}

func (e *Later) Error() string { return e.Err.Error() }
func (e *Later) Unwrap() error { return e.Err }

// Refusal is the error if a receiver does not accept this message, but may accept
// others.
type Refusal struct{ Err error }

func (e *Refusal) Error() string { return e.Err.Error() }
func (e *Refusal) Unwrap() error { return e.Err }

// New returns the sink for a value of -notify: a URL of http or https, a command,
// or @FILE, whose first line is one of these. format is one of [Formats], for a
// URL. kinds are the kinds of alerts that the receiver gets. The format ping
// ignores them.
func New(value, format string, kinds map[alert.Kind]bool) (*Sink, error) {
	if file, ok := strings.CutPrefix(value, "@"); ok {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		value, _, _ = strings.Cut(string(text), "\n")
		if value = strings.TrimSpace(value); value == "" || strings.HasPrefix(value, "@") {
			return nil, fmt.Errorf("%s: want a URL or a command in its first line", file)
		}
	}
	s := &Sink{Takes: func(a *alert.Alert) bool { return kinds[a.Kind] }}
	if !IsURL(value) {
		program := firstWord(value)
		if !found(program) {
			return nil, fmt.Errorf("the command %s is not found", program)
		}
		s.Key, s.Label = newKey("command", value), strings.TrimSpace("command "+wire.EscapeName(program))
		s.Deliver = func(ctx context.Context, a *alert.Alert) error { return runCommand(ctx, value, a) }
		return s, nil
	}
	u, err := url.Parse(value)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the URL
		}
		return nil, fmt.Errorf("the URL is wrong: %w", err)
	}
	if u.Host == "" {
		return nil, errors.New("the URL has no host")
	}
	s.Key, s.Label = newKey(format, value), u.Scheme+"://"+u.Host
	if format == "ping" {
		s.Takes, s.Replaces, s.Pace = pings, replacesPing, pingPace
	}
	p := newPoster(u, format)
	s.Deliver = p.deliver
	return s, nil
}

// IsURL reports whether a value of -notify is a URL, and not a command.
func IsURL(value string) bool {
	scheme, _, ok := strings.Cut(strings.ToLower(value), "://")
	return ok && (scheme == "http" || scheme == "https")
}

func newKey(kind, value string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + value))
	return hex.EncodeToString(sum[:6])
}

// firstWord returns the program of a command. Its arguments, and the variables
// before it, may be secret.
func firstWord(command string) string {
	for _, word := range strings.Fields(command) {
		if !strings.Contains(word, "=") {
			return word
		}
	}
	return ""
}
