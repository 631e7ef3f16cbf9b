package momclient

import (
	"sync"

	"mom/wire"
)

// place is how far a client has got. With renew the snapshot that belongs to
// the cursor has not been seen whole.
type place struct {
	cursor wire.Cursor
	renew  bool
}

// item is an event that waits for its handler, or, without one, only a place
// to move to.
type item struct {
	event wire.Event
	mark  bool  // there is no event
	place place // where the client is after it
	size  int   // bytes of the event as encoded, about
}

// queue holds what waits for the handler, and counts the room that the server
// may be told of.
type queue struct {
	limit      int
	limitBytes int
	handlers   chan struct{} // rung by push, for the goroutine that runs OnEvent
	puller     chan struct{} // rung by push, for a range loop

	mu       sync.Mutex // guards all below
	items    []item
	events   int    // items that are events
	bytes    int    // of these
	received uint64 // events pushed in this session
	told     int    // the room that the server was last told of
}

// reset begins a session: what waits stays, the count of received begins anew.
// It returns the room to tell the server.
func (q *queue) reset() uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.received = 0
	return q.tell()
}

// clear forgets what waits.
func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items, q.events, q.bytes = nil, 0, 0
}

// push appends items and returns the room to tell the server; false where they
// are more than it was told of.
func (q *queue) push(items []item) (uint32, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		if n := len(q.items); it.mark && n > 0 && q.items[n-1].mark {
			q.items[n-1] = it
			continue
		}
		q.items = append(q.items, it)
		if !it.mark {
			q.events++
			q.received++
			q.bytes += it.size
		}
	}
	if q.events > q.limit {
		return 0, false
	}
	ring(q.handlers)
	ring(q.puller)
	return q.tell(), true
}

// tell returns the room, and remembers that the server is told. mu is held.
func (q *queue) tell() uint32 {
	q.told = q.room()
	return uint32(q.told)
}

// room is how many more events fit. mu is held.
func (q *queue) room() int {
	if q.bytes >= q.limitBytes {
		return 0
	}
	return max(0, q.limit-q.events)
}

// pop takes the oldest item.
func (q *queue) pop() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item{}, false
	}
	it := q.items[0]
	q.items[0] = item{} // let go of the event
	q.items = q.items[1:]
	if len(q.items) == 0 {
		q.items = nil
	}
	if !it.mark {
		q.events--
		q.bytes -= it.size
	}
	return it, true
}

// news returns what to tell the server about room that has been made: worth a
// call when it believes in less than half of the queue and half has become
// free. Otherwise the next answer is early enough, because a server that
// believes in some room sends, and is answered.
func (q *queue) news() (wire.RoomArgs, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	half := (q.limit + 1) / 2
	if q.told >= half || q.room() < half {
		return wire.RoomArgs{}, false
	}
	return wire.RoomArgs{Received: q.received, Room: q.tell()}, true
}
