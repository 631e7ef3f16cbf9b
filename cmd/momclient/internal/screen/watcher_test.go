package screen

import (
	"fmt"
	"io"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// BenchmarkFrame draws a frame of 20 servers with 100 running jobs each, of which all
// have changed.
func BenchmarkFrame(b *testing.B) {
	s := &scene{now: time.Date(2026, 11, 23, 10, 24, 3, 0, time.UTC)}
	s.runs, _ = runlog.Open("", nil)
	for n := range 20 {
		s.server(fmt.Sprintf("mirror%02d.example:7420", n))
		s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: id("epoch")})
		for i := range 100 {
			name := fmt.Sprintf("branch office %02d-%02d to staging", n, i)
			s.begin(name, 1)
			for p := range 3 {
				s.event(name, wire.PackageInitialized, func(e *wire.Event) { e.Data.Header.Number = p + 2; warning(e) })
			}
		}
	}
	w := s.watcher()
	p := painter{w: io.Discard}
	l := layout{look: look{color: true}, loc: time.UTC, keys: true}
	b.ReportAllocs()
	for b.Loop() {
		for _, b := range s.boards {
			b.Status(momclient.ConnectionStatus{Kind: momclient.Connecting})
		}
		w.take(s.now, false)
		w.model.arrange(s.now)
		f := l.draw(w.model, 200, 50)
		w.model.drawn(&f)
		p.paint(f.lines, 200, 50, false)
	}
}
