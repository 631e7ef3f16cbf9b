//go:build unix

package mirror

import (
	"context"
	"os"
	"strings"
	"testing"
)

// TestLinkStays: if the run ends before it replaces a link by a directory, the
// target of the link keeps its mode and time.
func TestLinkStays(t *testing.T) {
	total := 1
	for n := 1; n <= total; n++ {
		p := newPair(t, Options{ContinueOnError: true, PackageFiles: 2, PackageBytes: 1000})
		plant(t, p.src, dir("d").with(0o700), dir("d/e").with(0o700), file("z", "z"))
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, dir("other").with(0o555), dir("other/e").with(0o555), link("d", "other"))
		before := tell(t, p.dst)
		stopping, cancel := context.WithCancel(t.Context())
		ctx := &moments{Context: stopping, do: func(now int) {
			if now == n {
				cancel()
			}
		}}
		p.run(ctx)
		cancel()
		total = ctx.n
		got := tell(t, p.dst)
		if strings.HasPrefix(got["d"], "d") { // it became a directory
			got["d"] = before["d"]
		}
		compare(t, before, got, false)
	}
}
