//go:build unix

package mirror

import (
	"os"
	"testing"
)

// TestNoDeleteAfterFailure deletes nothing after a package has failed, because
// an entry that is gone may be in that package under another name.
func TestNoDeleteAfterFailure(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, Delete: true, PackageFiles: 1, PackageBytes: 1000})
	plant(t, p.src, file("renamed", text(500)), file("z", ""))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("before", text(500)))
	_, events, err := p.run(&moments{Context: t.Context(), do: func(int) { damage(p.dst) }})
	if err != nil {
		t.Fatal(err)
	}
	wantWarning(t, events, "", "nothing is deleted")
	if got := tell(t, p.dst); got["before"] == "" || got["renamed"] != "" || got["z"] == "" {
		t.Error(got)
	}
	p.mirrored()
}
