package momserver

import (
	"math"
	"sync"

	"mom.internal/wire/protocol"
)

// page.go holds the calls that ask for what is cached, without subscribing.

// maxPage bounds the events of one Page, in bytes, the last one and its
// definitions apart.
const maxPage = 48 << 10

// pages holds idle buffers that take a page with the largest event by default:
// whoever asks again and again makes no garbage.
var pages = sync.Pool{New: func() any {
	page := make([]byte, 0, maxPage+64<<10)
	return &page
}}

// newPage returns an empty buffer for the events of the reply to this call.
func (sv *service) newPage() []byte {
	if sv.page == nil {
		sv.page = pages.Get().(*[]byte)
	}
	return (*sv.page)[:0]
}

// answered takes the buffer back, when the reply has been encoded. One that had
// to grow is left to the collector.
func (sv *service) answered() {
	if sv.page != nil {
		pages.Put(sv.page)
		sv.page = nil
	}
}

// History returns cached events after a cursor, without subscribing.
func (sv *service) History(args *protocol.HistoryArgs, reply *protocol.Page) error {
	return sv.serving(func() error {
		h := sv.srv.hist
		at, err := h.after(args.Since)
		if err != nil {
			return err
		}
		most := portion{last: math.MaxUint64, looks: math.MaxInt, events: int(min(args.Max, 1<<20)), bytes: maxPage}
		if args.Max == 0 {
			most.events = 1 << 20
		}
		missed := at.missed
		at.missed = 0
		var n int
		for {
			reply.Events, n = h.read(&at, &reader{sees: sv.who.sees}, most, sv.newPage())
			if at.missed == 0 {
				break
			}
			missed += at.missed // the cache moved on in between
			at.missed = 0
		}
		reply.Epoch, reply.Types, reply.Count = h.epoch, h.types, uint32(n)
		reply.Next, reply.Missed, reply.More = at.next, missed, at.next <= at.head
		return nil
	})
}

// Jobs returns the latest event of each job.
func (sv *service) Jobs(args *protocol.JobsArgs, reply *protocol.Page) error {
	return sv.serving(func() error {
		h := sv.srv.hist
		var n int
		reply.Events, n, reply.More = h.readJobs(args.After, sv.who.sees, maxPage, sv.newPage())
		reply.Epoch, reply.Types, reply.Count = h.epoch, h.types, uint32(n)
		return nil
	})
}
