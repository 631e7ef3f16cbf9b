package momclient

import "sync"

// statuses is the queue of the statuses for the OnConnection handler.
type statuses struct {
	bell bell // closed after the last status

	mu   sync.Mutex // guards wait
	wait []ConnectionStatus
}

// maxStatuses bounds the statuses that wait for a handler that does not return.
// The oldest are discarded.
const maxStatuses = 256

func (q *statuses) push(s ConnectionStatus) {
	q.mu.Lock()
	if len(q.wait) == maxStatuses {
		q.wait = q.wait[1:]
	}
	q.wait = append(q.wait, s)
	q.mu.Unlock()
	q.bell.ring()
}

func (q *statuses) pop() (ConnectionStatus, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wait) == 0 {
		return ConnectionStatus{}, false
	}
	s := q.wait[0]
	q.wait = q.wait[1:]
	return s, true
}
