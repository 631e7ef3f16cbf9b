//go:build unix

package mirror

import (
	"context"
	"errors"
	"os"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestContinueOnError goes on after a package that cannot be imported. The rest
// is mirrored, nothing is deleted, and the run completes with errors.
func TestContinueOnError(t *testing.T) {
	for _, going := range []bool{false, true} {
		p := newPair(t, Options{ContinueOnError: going, PackageFiles: 1, PackageBytes: 1000})
		plant(t, p.src, file("a", "a"), file("b", "b"), file("c", "c"))
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, dir("b"), file("b/in the way", "x"), file("gone", "x"))
		result, events, err := p.run(t.Context())
		failed := in(events, wire.ImportingError)
		if len(failed) != 1 {
			t.Fatal(events)
		}
		wantError(t, failed[0], wire.ImportingError, "b", "a directory that is not empty")
		got := tell(t, p.dst)
		if (got["c"] != "") != going || got["a"] == "" || got["gone"] == "" || got["b/in the way"] == "" {
			t.Error(got)
		}
		if !going {
			if err == nil {
				t.Error("no error")
			}
			continue
		}
		if end := events[len(events)-1]; err != nil || result.Clean() || result.Packages != 2 || result.Failed != 1 || end.Outcome() != wire.SucceededWithErrors {
			t.Error(err, result, end)
		}
	}
}

// TestInterruptedTransfer stops a run that waits for its bandwidth.
func TestInterruptedTransfer(t *testing.T) {
	p := newPair(t, Options{Bandwidth: 1000})
	plant(t, p.src, file("f", text(100_000))) // takes 100 s
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		m, _ := New(p.srv, p.src, p.dst, p.opts)
		_, err := m.Run(ctx)
		ended <- err
	}()
	for e := range p.client.Events(t.Context()) {
		if e.Data.Status.State == wire.Transferring {
			cancel()
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, errInterrupted) {
		t.Error(err)
	}
	events := p.events()
	wantInterrupted(t, events[len(events)-1], wire.TransferringError)
}

// TestWithoutMonitor mirrors whether the monitor is shut down during the run, was
// shut down before, or is switched off.
func TestWithoutMonitor(t *testing.T) {
	for _, when := range []string{"during", "before", "off"} {
		p := newPair(t, Options{PackageFiles: 1, Bandwidth: 20_000})
		plant(t, p.src, file("a", text(2000)), file("b", text(2000)), file("c", text(2000)))
		srv := p.srv
		switch when {
		case "during":
			p.client.OnEvent(func(e wire.Event) {
				if e.Data.Status.State == wire.Transferring {
					go srv.Close()
				}
			})
			if err := p.client.Subscribe(t.Context()); err != nil {
				t.Fatal(err)
			}
		case "before":
			srv.Close()
		case "off":
			srv = nil
		}
		m, err := New(srv, p.src, p.dst, p.opts)
		if err != nil {
			t.Fatal(err)
		}
		result, err := m.Run(t.Context())
		if err != nil || result.Packages != 3 || !result.Clean() {
			t.Errorf("%s: %+v, %v", when, result, err)
		}
		wholeOnly(t, tell(t, p.dst), tell(t, p.src))
		if when == "during" && srv.Health() != momserver.ErrServerClosed {
			t.Error("the monitor was not shut down")
		}
	}
}
