package sockets_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"mom.internal/momserver"
	"mom.internal/wire/wiretest/invariant"
)

// dropped is the end of a subscription, in a server's words.
type dropped struct{ reason, detail string }

// logRecorder is a server's log, that keeps how subscriptions began and ended, by
// the names of their clients. Its zero value is empty.
type logRecorder struct {
	mu    sync.Mutex // guards all below
	began map[string]int
	ended map[string][]dropped
}

func (j *logRecorder) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (j *logRecorder) WithAttrs([]slog.Attr) slog.Handler           { return j }
func (j *logRecorder) WithGroup(string) slog.Handler                { return j }

// Handle keeps the line, where it is of a subscription.
func (j *logRecorder) Handle(_ context.Context, line slog.Record) error {
	said := make(map[string]string)
	line.Attrs(func(a slog.Attr) bool { said[a.Key] = a.Value.String(); return true })
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.began == nil {
		j.began, j.ended = make(map[string]int), make(map[string][]dropped)
	}
	switch name := said["name"]; line.Message {
	case "momserver: subscribed":
		j.began[name]++
	case "momserver: subscriber dropped":
		j.ended[name] = append(j.ended[name], dropped{said["reason"], said["detail"]})
	}
	return nil
}

// over reports whether each subscription of a client that began has ended.
func (j *logRecorder) over(name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.ended[name]) == j.began[name]
}

// check wants the subscriptions of a client to have ended by the loss of their
// connections, but for one, which it ended itself. Where the connection was cut
// while it did, that may be lost, too.
func (j *logRecorder) check(name string, cut bool, report invariant.Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	said, lost, other := 0, 0, 0
	for _, why := range j.ended[name] {
		switch why.reason {
		case momserver.ReasonUnsubscribed.String():
			said++
		case momserver.ReasonConnectionLost.String():
			lost++
		default:
			other++
		}
	}
	if other > 0 || said > 1 || said == 0 && (!cut || lost == 0) {
		report(invariant.Violation{Invariant: invariant.Reasons, Detail: fmt.Sprintf("it was dropped for %+v", j.ended[name])})
	}
}
