//go:build unix

package mirror

import (
	"os"
	"testing"
)

// TestLinkStays: if the package fails that would replace a link by a directory,
// the target of the link stays as it is.
func TestLinkStays(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, PackageFiles: 2, PackageBytes: 1000})
	plant(t, p.src, dir("d").with(0o700), dir("d/e").with(0o700), file("z", "z"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, dir("other").with(0o555), dir("other/e").with(0o555), link("d", "other"))
	before := tell(t, p.dst)
	result, _, err := p.run(&moments{Context: t.Context(), do: func(int) { damage(p.dst, "package-0001.tar") }})
	if err != nil || result.Failed != 1 {
		t.Error(err, result)
	}
	compare(t, before, tell(t, p.dst), false)
}
