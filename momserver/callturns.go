package momserver

import "time"

// callturns.go keeps the calls of clients from taking the processors that the
// sender and the rest of the program need.

// longCall is the number of bytes over which a call counts as long. A filter of
// many jobs takes long to decode.
const longCall = 4 << 10

// Long calls, and calls for pages, are served one at a time. The addresses of the
// clients take turns, and a rest follows each call. So all these calls together
// take about an eighth of one processor, as long as none takes more than 3 ms, and
// leave the other processors to the sender. A call with a long filter also rests
// between its steps, because the operating system may let the sender wait for a
// processor that a long computation holds.
const (
	restAfterTurn = 7 // the rest, in times of the turn before it
	maxRest       = 20 * time.Millisecond
)

// beginCall is called before a call is decoded, with the number of its bytes.
func (sv *service) beginCall(bytes int) {
	if sv.pace != nil {
		wait(sv.pace.wait(time.Now()), sv.conn.Done())
	}
	if bytes > longCall {
		sv.takeTurn(sv.conn.Done())
	}
	sv.resume()
}

// resume waits for a turn among the calls of all clients, which leave half of the
// processors to the sender and to the rest of the program. A call has the turn while
// it computes, and gives it up with pause while it waits for something else.
func (sv *service) resume() { sv.computing = sv.srv.calls.take(sv.conn.Done(), sv.addr) }

// pause gives up the turn among all calls. It reports whether the call had it.
func (sv *service) pause() (had bool) {
	if had = sv.computing; had {
		sv.computing = false
		sv.srv.calls.release()
	}
	return had
}

// Subscribe is the most expensive call: the server may send all cached events, and logs
// the subscription. So the calls of Subscribe from one address are spread if there are
// more than subscribesPerSecond of them in a second. None waits longer than
// maxSubscribeWait, because a thousand clients behind one address may come back at the
// same moment.
const (
	subscribesPerSecond = 200
	maxSubscribeWait    = 500 * time.Millisecond
)

// spreadSubscribes waits if the address has used up its calls of Subscribe.
func (sv *service) spreadSubscribes() {
	s, now := sv.srv, time.Now()
	if !sv.addr.IsValid() || s.subscribeLimit.allow(sv.addr, now) {
		return
	}
	sv.withoutTurns(func() { wait(s.subSpacing.wait(sv.addr, now), sv.conn.Done()) })
}

// withoutTurns calls f, which waits for something. Meanwhile the call gives up its
// turns.
func (sv *service) withoutTurns(f func()) {
	had, long := sv.pause(), !sv.turnBegan.IsZero()
	sv.endTurn(sv.conn.Done())
	f()
	if long {
		sv.takeTurn(sv.conn.Done())
	}
	if had {
		sv.resume()
	}
}

// takeTurn waits for the turn of a call that may take long, unless the call has its
// turn already, or until done is closed.
func (sv *service) takeTurn(done <-chan struct{}) {
	if !sv.turnBegan.IsZero() {
		return
	}
	had := sv.pause()
	if sv.srv.longCalls.take(done, sv.addr) {
		sv.turnBegan = time.Now()
	}
	if had {
		sv.resume()
	}
}

// endCall is called when the reply to a call has been encoded.
func (sv *service) endCall() {
	sv.releasePage()
	sv.pause()
	sv.endTurn(sv.conn.Done())
}

// endTurn rests and then ends the turn, if there is one. The rest ends early when
// done is closed.
func (sv *service) endTurn(done <-chan struct{}) {
	if !sv.turnBegan.IsZero() {
		sv.restInTurn(done)
		sv.turnBegan = time.Time{}
		sv.srv.longCalls.release()
	}
}

// rest lets a long call rest after a step of its work. Other long calls wait
// meanwhile; shorter calls do not.
func (sv *service) rest() {
	if sv.turnBegan.IsZero() {
		return
	}
	had := sv.pause()
	sv.restInTurn(sv.conn.Done())
	if had {
		sv.resume()
		sv.turnBegan = time.Now() // waiting for a processor is no work
	}
}

// restInTurn rests, if there is a turn, or until done is closed.
func (sv *service) restInTurn(done <-chan struct{}) {
	if !sv.turnBegan.IsZero() {
		wait(min(restAfterTurn*time.Since(sv.turnBegan), maxRest), done)
		sv.turnBegan = time.Now()
	}
}

// wait waits for d, or until done is closed.
func wait(d time.Duration, done <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
}
