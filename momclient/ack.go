package momclient

import (
	"time"

	"mom.internal/wire/protocol"
)

// Answers are held back where batches come close together, so that several
// leave in one write: for replyDelay, batches and bytes at most, and well within
// the server's window.
const (
	replyDelay  = 20 * time.Millisecond
	heldBatches = 16
	heldBytes   = 64 << 10
)

// holds reports whether the answer to b, which gives credit, may wait for the
// next: not where the server asks whether this end lives, or has so little
// credit that it may have to stop sending.
func (s *session) holds(b *protocol.Batch, credit protocol.Credit) bool {
	now := time.Now()
	dense := now.Sub(s.batchAt) < replyDelay
	s.batchAt = now
	s.held++
	s.heldBytes += len(b.Events)
	s.received += uint64(b.Count)
	within := s.accepted.Load() && s.held < min(heldBatches, int(s.reply.Window)/2) && s.heldBytes < min(heldBytes, int(s.reply.WindowBytes)/4)
	if dense && b.Count > 0 && within && s.answered.Events >= s.received+uint64(s.c.opts.Queue/2) {
		return true
	}
	s.held, s.heldBytes, s.answered = 0, 0, credit
	return false
}

// What a session takes of batches without events or a gap: so many, and so many
// for each heartbeat since it began. A server sends one at the beginning and one
// each heartbeat, if they are late many may come at once.
const (
	spareBeats = 16
	beatsEach  = 4
)

// beats counts a session's batches without news.
type beats struct {
	began time.Time
	every time.Duration // the server's heartbeat
	n     int64
}

// tooMany counts one more, and reports whether the server calls for nothing.
func (b *beats) tooMany() bool {
	b.n++
	return b.n > spareBeats && b.n > spareBeats+beatsEach*int64(time.Since(b.began)/b.every)
}
