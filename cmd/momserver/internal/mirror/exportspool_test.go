//go:build unix

package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"mom.internal/wire"
)

// TestSpoolUnwritable distinguishes a package that cannot be made from a file
// that cannot be read. ContinueOnError does not go on after the former.
func TestSpoolUnwritable(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	p := newPair(t, Options{ContinueOnError: true})
	plant(t, p.src, file("f", "x"))
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "f", "cannot keep the package in "+os.Getenv("TMPDIR"))
}
