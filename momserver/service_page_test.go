package momserver

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestPages returns exactly as many events as are asked for, in pages that each
// name the place where the next begins, and whether there is one.
func TestPages(t *testing.T) {
	srv := New(Config{CacheEvents: 100})
	sv := testService(t, srv)
	run := uuid.New()
	for range 150 {
		ev := spoken(run, wire.Transferring)
		ev.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", 2000)}
		if err := srv.Publish(ev); err != nil {
			t.Fatal(err)
		}
	}
	for _, most := range []uint32{1, 10, 23, 24, 60, 99, 100, 101, 1000, 0} {
		want := min(int(most), 100)
		if most == 0 {
			want = 100
		}
		got, pages, since := 0, 0, wire.Cursor{Epoch: srv.Epoch(), Seq: 30}
		for more := true; more && (most == 0 || got < int(most)); pages++ {
			var page protocol.Page
			args := protocol.HistoryArgs{Since: since}
			if most > 0 {
				args.Max = most - uint32(got)
			}
			if err := sv.History(&args, &page); err != nil {
				t.Fatal(err)
			}
			if missed := uint64(20); pages == 0 && page.Missed != missed || pages > 0 && page.Missed != 0 {
				t.Errorf("at most %d: %d missed in page %d", most, page.Missed, pages)
			}
			if size := len(page.Events); size > maxPage+2500 || page.Count == 0 {
				t.Errorf("at most %d: a page of %d events, %d bytes", most, page.Count, size)
			}
			next := uint64(51 + got)
			err := protocol.NewEventDecoder(page.Types).Decode(page.Events, int(page.Count), func(e *wire.Event) {
				if e.Seq != next {
					t.Errorf("at most %d: event %d; want %d", most, e.Seq, next)
				}
				next++
			})
			if err != nil || page.Next != next || page.More != (next <= 150) {
				t.Errorf("at most %d: page %d ends before %d, more: %v, %v", most, pages, page.Next, page.More, err)
			}
			sv.endCall()
			got, since.Seq, more = got+int(page.Count), page.Next-1, page.More
		}
		if got != want || want == 100 && pages < 3 {
			t.Errorf("at most %d: %d events in %d pages; want %d", most, got, pages, want)
		}
	}
}

// TestPageBuffer: a service keeps no buffer between calls.
func TestPageBuffer(t *testing.T) {
	srv := New(Config{})
	sv := testService(t, srv)
	for range 3 {
		var page protocol.Page
		if err := sv.History(&protocol.HistoryArgs{}, &page); err != nil || sv.page == nil {
			t.Errorf("%v", err)
		}
		if sv.endCall(); sv.page != nil {
			t.Error("the buffer is kept")
		}
	}
}

// TestGapWithinHistory counts the events that leave the cache after the call
// has found its place, and before it reads there.
func TestGapWithinHistory(t *testing.T) {
	srv := New(Config{CacheEvents: 10})
	sv := testService(t, srv)
	run := uuid.New()
	publish := func(n int) {
		for range n {
			if err := srv.Publish(spoken(run, wire.Transferring)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(15)
	buffer := pages.New
	pages = sync.Pool{New: func() any { // asked for between the two
		publish(20)
		return buffer()
	}}
	defer func() { pages = sync.Pool{New: buffer} }()
	var page protocol.Page
	if err := sv.History(&protocol.HistoryArgs{Since: wire.Cursor{Epoch: srv.Epoch(), Seq: 2}}, &page); err != nil {
		t.Fatal(err)
	}
	if page.Missed != 23 || page.Count != 10 || page.Next != 36 || page.More {
		t.Errorf("%d missed, %d events before %d, more: %v", page.Missed, page.Count, page.Next, page.More)
	}
}
