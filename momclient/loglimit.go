package momclient

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Of the log lines of one kind, linesAtOnce may come at once, and then one a
// second, so that neither a server nor a handler fills the log.
const linesAtOnce = 100

// logLimit passes on log lines of one kind, as many as linesAtOnce allows, and
// counts the others. The next line that passes has their number.
type logLimit struct {
	mu     sync.Mutex // guards the fields below; never held while a line is written
	bucket bucket
	left   int // lines left out since the last that passed
}

// write writes the line to log, or counts it.
func (l *logLimit) write(log *slog.Logger, level slog.Level, message string, attrs ...any) {
	left, ok := l.take()
	if !ok {
		return
	}
	if left > 0 {
		attrs = append(attrs, "left out", left)
	}
	log.Log(context.Background(), level, message, attrs...)
}

// take reports whether a line may pass, and how many were left out before it.
func (l *logLimit) take() (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket.each, l.bucket.most = time.Second, linesAtOnce
	if !l.bucket.take() {
		l.left++
		return 0, false
	}
	left, l.left = l.left, 0
	return left, true
}
