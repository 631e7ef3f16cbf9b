package momclient

import "time"

// beat.go holds how many calls without news a server may make.

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
