package momserver

// queue is a first-in, first-out queue of subscribers, whose memory is used again.
type queue struct {
	subs []*subscriber
	head int // subs before it have been taken
}

func (q *queue) len() int { return len(q.subs) - q.head }

func (q *queue) push(sub *subscriber) { q.subs = append(q.subs, sub) }

// pop takes the subscriber that was pushed first.
func (q *queue) pop() *subscriber {
	sub := q.subs[q.head]
	q.subs[q.head] = nil
	if q.head++; 2*q.head >= len(q.subs) {
		n := copy(q.subs, q.subs[q.head:])
		clear(q.subs[n:])
		q.subs, q.head = q.subs[:n], 0
	}
	return sub
}
