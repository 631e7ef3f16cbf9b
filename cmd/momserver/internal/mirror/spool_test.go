//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"mom.internal/wire"
)

// TestTaken refuses a second run at a destination, and keeps the spool of the
// first.
func TestTaken(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", text(99_000)))
	other := newPair(t, Options{ContinueOnError: true})
	plant(t, other.src, file("f", "other"))
	other.dst = p.dst
	tried := false
	result, _, err := p.run(&moments{Context: t.Context(), do: func(int) {
		if found, _ := filepath.Glob(filepath.Join(p.dst, spoolPrefix+"*")); tried || len(found) == 0 {
			return
		}
		tried = true
		m, err := New(other.srv, other.src, other.dst, other.opts)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := m.Run(t.Context()); err == nil {
			t.Error("two runs mirror to one destination")
		}
		events := other.events()
		wantError(t, events[len(events)-2], wire.TransferringError, "/staging", "another run mirrors")
		wantFailure(t, events, wire.ExportingError, "/staging", "another run mirrors")
	}})
	if err != nil || !result.Clean() || !tried {
		t.Error(result, err, tried)
	}
	compare(t, tell(t, p.src), tell(t, p.dst), true)
	other.mirrored() // the destination is free again
}

// TestLookalikeSpool mirrors a file whose name only begins as that of a spool,
// and does not delete it.
func TestLookalikeSpool(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, dir(".momspool-notes"), file(".momspool-notes/x", "hi"), file(".momspool-", "y"))
	os.MkdirAll(filepath.Join(p.dst, ".momspool-mine"), 0o755)
	plant(t, p.dst, file(".momspool-mine/p", "precious"))
	if _, _, err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := tell(t, p.dst)
	if got[".momspool-notes/x"] == "" || got[".momspool-"] == "" || got[".momspool-mine/p"] == "" {
		t.Error(got)
	}
}

// TestDestinationMode gives a new destination the mode of the source, so that a
// private source does not become public.
func TestDestinationMode(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("secret", "x"))
	os.Chmod(p.src, 0o700)
	p.dst = filepath.Join(p.dst, "deeper", "down")
	p.mirrored()
	if info, err := os.Stat(p.dst); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
}
