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

// maxChunk is the most that is moved at once; less where the bandwidth is small.
const maxChunk = 32 << 10

// chunk is what to move at once: a tenth of a second's worth, maxChunk at most.
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
