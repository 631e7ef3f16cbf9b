package momserver

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lograte.go keeps strangers from filling the log, because each connection that
// is refused writes a line.

// logBurst is how many seconds' worth of lines may come at once.
const logBurst = 10

// logRate passes on a bounded number of lines a second with each message, and
// counts the other lines. The next line with that message holds their number.
type logRate struct {
	slog.Handler
	state *logState // shared with the handlers that are made from this one
}

type logState struct {
	perSecond float64

	mu       sync.Mutex // guards messages; never held while a line is written
	messages map[string]*logCount
}

// logCount counts the lines with one message. The library has a fixed number of
// messages.
type logCount struct {
	rateLimit
	left int // lines left out since the last that passed
}

// limitLog returns a logger that passes lines on to log as logRate does.
func limitLog(log *slog.Logger, perSecond int) *slog.Logger {
	return slog.New(&logRate{log.Handler(), &logState{perSecond: float64(perSecond), messages: make(map[string]*logCount)}})
}

// Handle passes the line on, or counts it.
func (h *logRate) Handle(ctx context.Context, line slog.Record) error {
	left, ok := h.state.take(line.Message, time.Now())
	if !ok {
		return nil
	}
	if left > 0 {
		line = line.Clone()
		line.AddAttrs(slog.Int("left out", left))
	}
	return h.Handler.Handle(ctx, line)
}

// take reports whether a line with the message may pass, and how many lines
// with that message have been left out before it.
func (s *logState) take(message string, now time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.messages[message]
	if c == nil {
		c = &logCount{rateLimit: rateLimit{perSecond: s.perSecond, burst: logBurst * s.perSecond}}
		s.messages[message] = c
	}
	if !c.take(now) {
		c.left++
		return 0, false
	}
	left, c.left = c.left, 0
	return left, true
}

// WithAttrs keeps the counts together.
func (h *logRate) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logRate{h.Handler.WithAttrs(attrs), h.state}
}

// WithGroup keeps the counts together.
func (h *logRate) WithGroup(name string) slog.Handler {
	return &logRate{h.Handler.WithGroup(name), h.state}
}
