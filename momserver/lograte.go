package momserver

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lograte.go keeps strangers from filling the log: whoever connects and says
// nothing of sense makes a line.

// logBurst is how many seconds' worth of lines may come at once.
const logBurst = 10

// logRate passes on so many lines a second of each message, and counts the
// others: the next line that passes says how many were left out.
type logRate struct {
	slog.Handler
	state *logState // shared with the handlers made of this one
}

type logState struct {
	perSecond float64

	mu       sync.Mutex // guards messages; never held while a line is written
	messages map[string]*logCount
}

// logCount is of one message; the library has a fixed list of them.
type logCount struct {
	pace
	left int // lines left out since the last that passed
}

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

func (s *logState) take(message string, now time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.messages[message]
	if c == nil {
		c = &logCount{pace: pace{perSecond: s.perSecond, burst: logBurst * s.perSecond}}
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
