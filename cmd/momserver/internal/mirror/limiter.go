package mirror

import (
	"context"
	"time"
)

// limiter spreads bytes over time.
type limiter struct {
	perSecond int64 // 0 for no limit
	next      time.Time
}

// maxChunk is the most bytes that are moved at once. With a small bandwidth it
// is less.
const maxChunk = 32 << 10

// chunk returns how many bytes to move at once: those of a tenth of a second,
// at most maxChunk.
func (l *limiter) chunk() int {
	if l.perSecond <= 0 {
		return maxChunk
	}
	return int(min(max(l.perSecond/10, 1), maxChunk))
}

// wait blocks until n more bytes may move, or until ctx is done.
func (l *limiter) wait(ctx context.Context, n int) error {
	if l.perSecond <= 0 {
		return interrupted(ctx)
	}
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(float64(n) / float64(l.perSecond) * float64(time.Second)))
	return pause(ctx, l.next.Sub(now))
}
