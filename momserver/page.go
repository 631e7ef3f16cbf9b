package momserver

import (
	"math"
	"sync"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
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
		at, err := h.After(args.Since)
		if err != nil {
			return err
		}
		most := history.Portion{Last: math.MaxUint64, Looks: math.MaxInt, Events: int(min(args.Max, 1<<20)), Bytes: maxPage}
		if args.Max == 0 {
			most.Events = 1 << 20
		}
		missed := at.Missed
		at.Missed = 0
		reader := history.NewReader(&wire.Filter{}, sv.who.sees)
		var n int
		for {
			reply.Events, n = h.Read(&at, &reader, most, sv.newPage())
			if at.Missed == 0 {
				break
			}
			missed += at.Missed // the cache moved on in between
			at.Missed = 0
		}
		reply.Epoch, reply.Types, reply.Count = h.Epoch(), h.Types(), uint32(n)
		reply.Next, reply.Missed, reply.More = at.Next, missed, at.Next <= at.Head
		return nil
	})
}

// Jobs returns the latest event of each job.
func (sv *service) Jobs(args *protocol.JobsArgs, reply *protocol.Page) error {
	return sv.serving(func() error {
		h := sv.srv.hist
		var n int
		reply.Events, n, reply.More = h.ReadJobs(args.After, sv.who.sees, maxPage, sv.newPage())
		reply.Epoch, reply.Types, reply.Count = h.Epoch(), h.Types(), uint32(n)
		return nil
	})
}
