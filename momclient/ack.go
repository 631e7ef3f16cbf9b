package momclient

import (
	"time"

	"mom.internal/wire/protocol"
)

// A session delays its answers to batches that come close together, so that
// several answers leave in one write. The bounds keep the server from running
// out of its window.
const (
	ackDelay        = 20 * time.Millisecond
	maxDelayed      = 16       // answers
	maxDelayedBytes = 64 << 10 // bytes of the events that they answer
)

// delaysAck reports whether the answer to b, which gives credit, may wait for the
// next answer. An answer is sent at once if b is a heartbeat, or if the server
// has so little credit that it might have to stop sending.
func (s *session) delaysAck(b *protocol.Batch, credit protocol.Credit) bool {
	now := time.Now()
	dense := now.Sub(s.lastBatch) < ackDelay
	s.lastBatch = now
	s.delayed++
	s.delayedBytes += len(b.Events)
	s.received += uint64(b.Count)
	within := s.accepted.Load() && s.delayed < min(maxDelayed, int(s.reply.Window)/2) && s.delayedBytes < min(maxDelayedBytes, int(s.reply.WindowBytes)/4)
	if dense && b.Count > 0 && within && s.advertised.Events >= s.received+uint64(s.c.opts.Queue/2) {
		return true
	}
	s.delayed, s.delayedBytes, s.advertised = 0, 0, credit
	return false
}
