package mirror

import (
	"context"
	"time"
)

// limiter bounds the rate at which bytes move.
type limiter struct {
	perSecond int64 // 0 for no limit
	next      time.Time
}

// chunk returns how many bytes to move at once: those of a tenth of a second, at
// most max.
func (l *limiter) chunk(max int) int {
	if l.perSecond <= 0 {
		return max
	}
	return int(min(l.perSecond/10+1, int64(max)))
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

// pause waits, or returns errInterrupted when ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errInterrupted
	}
}
